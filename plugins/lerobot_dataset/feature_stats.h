// Statistics of a feature, as LeRobot stores them per episode and for a dataset: per element of a
// vector, or per channel of a camera with pixels from 0 to 1.
//
// The standard deviation is that of the population. Quantiles of an episode are interpolated
// linearly; those of a dataset are LeRobot's: means of the episodes' quantiles, weighted by rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/column_table.h"
#include "plugins/lerobot_dataset/json_file.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::lerobot_dataset {

inline constexpr std::array kQuantiles = {0.01, 0.1, 0.5, 0.9, 0.99};

struct FeatureStats {
  std::vector<double> min, max, mean, std;                       // per element or channel
  std::array<std::vector<double>, kQuantiles.size()> quantiles;  // of kQuantiles
  std::int64_t count = 0;  // rows, or frames that were sampled
};

FeatureStats stats_of_table(const at::Tensor& values);  // [L, n], L > 0

using PixelHistogram = std::array<std::int64_t, 256>;  // number of pixels of each value

// Statistics of a camera: of all frames up to 100, else of max(100, L^0.75) frames that are
// distributed over the episode.
class FrameStats {
 public:
  explicit FrameStats(std::int64_t length) : length_(length) {}  // L > 0
  // Adds frames uint8 [n, H, W, 3], in order.
  void add(const at::Tensor& frames);
  FeatureStats result() const;

 private:
  std::int64_t num_sampled() const;

  std::int64_t length_;
  std::int64_t num_added_ = 0;                     // frames
  std::int64_t num_counted_ = 0;                   // sampled frames that were added
  std::array<PixelHistogram, 3> histograms_ = {};  // by channel
};

// Makes `total` the statistics of its rows and those of `part`, which must have the same elements.
// A default-constructed `total` has no rows.
void add_to(FeatureStats& total, const FeatureStats& part);

// {"min": [...], ..., "count": [...]}; a camera's numbers are nested as [3, 1, 1].
Json to_json(const FeatureStats& stats, bool is_camera);
// From the form without nesting.
FeatureStats stats_from_json(const Json& json);

// The columns stats/FEATURE/min and so on, of one row.
void add_stats(ColumnTable& table, const std::string& feature, const FeatureStats& stats,
               bool is_camera);
// The first row of these columns.
FeatureStats read_stats(const parquet::Reader& reader, const std::string& feature);

}  // namespace roboimi::lerobot_dataset
