#include "plugins/lerobot_dataset/feature_stats.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {
namespace {

constexpr std::size_t kChannels = 3;
constexpr std::int64_t kMinSampled = 100;  // frames

// The lists of numbers with their names in the format.
template <typename Stats>
auto lists_of(Stats& stats) {
  using List = decltype(&stats.min);
  std::vector<std::pair<const char*, List>> lists = {
      {"min", &stats.min}, {"max", &stats.max}, {"mean", &stats.mean}, {"std", &stats.std}};
  constexpr std::array kNames = {"q01", "q10", "q50", "q90", "q99"};
  static_assert(kNames.size() == kQuantiles.size());
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    lists.emplace_back(kNames[i], &stats.quantiles[i]);
  }
  return lists;
}

std::vector<double> to_list(const at::Tensor& values) {
  const at::Tensor doubles = values.to(at::kDouble).contiguous();
  const auto* first = doubles.const_data_ptr<double>();
  return {first, first + doubles.numel()};
}

// The value at a position between 0 and count - 1 of the sorted pixels.
double pixel_at(const PixelHistogram& histogram, double position) {
  const auto value_of = [&](std::int64_t rank) {
    std::size_t value = 0;
    for (std::int64_t below = histogram[0]; below <= rank; below += histogram[++value]) {
    }
    return static_cast<double>(value);
  };
  const double low = std::floor(position), high = std::ceil(position);
  const double first = value_of(static_cast<std::int64_t>(low));
  const double second = value_of(static_cast<std::int64_t>(high));
  return first + (second - first) * (position - low);
}

void add_channel(FeatureStats& stats, const PixelHistogram& histogram) {
  constexpr double kWhite = 255.0;
  std::int64_t count = 0;
  double sum = 0.0, squares = 0.0;
  for (std::size_t value = 0; value < histogram.size(); ++value) {
    const auto number = static_cast<double>(value), times = static_cast<double>(histogram[value]);
    count += histogram[value];
    sum += number * times;
    squares += number * number * times;
  }
  const auto total = static_cast<double>(count);
  const double mean = sum / total;
  stats.min.push_back(pixel_at(histogram, 0.0) / kWhite);
  stats.max.push_back(pixel_at(histogram, total - 1.0) / kWhite);
  stats.mean.push_back(mean / kWhite);
  stats.std.push_back(std::sqrt(std::max(0.0, squares / total - mean * mean)) / kWhite);
  for (std::size_t i = 0; i < kQuantiles.size(); ++i) {
    stats.quantiles[i].push_back(pixel_at(histogram, kQuantiles[i] * (total - 1.0)) / kWhite);
  }
}

}  // namespace

FeatureStats stats_of_table(const at::Tensor& values) {
  const at::Tensor table = values.to(at::kDouble);
  FeatureStats stats{.min = to_list(table.amin(0)),
                     .max = to_list(table.amax(0)),
                     .mean = to_list(table.mean(0)),
                     .std = to_list(table.std(0, /*unbiased=*/false)),
                     .quantiles = {},
                     .count = table.size(0)};
  for (std::size_t i = 0; i < kQuantiles.size(); ++i) {
    stats.quantiles[i] = to_list(at::quantile(table, kQuantiles[i], 0));
  }
  return stats;
}

std::int64_t FrameStats::num_sampled() const {
  const auto sampled = static_cast<std::int64_t>(std::pow(static_cast<double>(length_), 0.75));
  return std::min(length_, std::max(kMinSampled, sampled));
}

void FrameStats::add(const at::Tensor& frames) {
  const std::int64_t first = num_added_, sampled = num_sampled();
  num_added_ += frames.size(0);
  for (; num_counted_ < sampled; ++num_counted_) {
    const double position = sampled == 1 ? 0.0
                                         : static_cast<double>(num_counted_ * (length_ - 1)) /
                                               static_cast<double>(sampled - 1);
    const std::int64_t row = std::llround(position);
    if (row >= num_added_) return;
    const at::Tensor frame = frames[row - first].contiguous();
    const auto* pixel = frame.const_data_ptr<std::uint8_t>();
    const auto* const end = pixel + frame.numel();
    for (; pixel != end; pixel += kChannels) {
      for (std::size_t c = 0; c < kChannels; ++c) ++histograms_[c][pixel[c]];
    }
  }
}

FeatureStats FrameStats::result() const {
  FeatureStats stats{.count = num_counted_};
  for (const PixelHistogram& histogram : histograms_) add_channel(stats, histogram);
  return stats;
}

void add_to(FeatureStats& total, const FeatureStats& part) {
  if (total.count == 0) {
    total = part;
    return;
  }
  if (part.mean.size() != total.mean.size()) {
    throw Error({.what = "the statistics of the episodes have different sizes",
                 .expected = std::to_string(total.mean.size()),
                 .found = std::to_string(part.mean.size())});
  }
  const auto before = static_cast<double>(total.count), added = static_cast<double>(part.count);
  const double share = added / (before + added);
  for (std::size_t i = 0; i < total.mean.size(); ++i) {
    // Chan et al., "Updating formulae and a pairwise algorithm for computing sample variances".
    const double difference = part.mean[i] - total.mean[i];
    const double variance = (1.0 - share) * total.std[i] * total.std[i] +
                            share * part.std[i] * part.std[i] +
                            share * (1.0 - share) * difference * difference;
    total.std[i] = std::sqrt(variance);
    total.mean[i] += share * difference;
    total.min[i] = std::min(total.min[i], part.min[i]);
    total.max[i] = std::max(total.max[i], part.max[i]);
    for (std::size_t q = 0; q < kQuantiles.size(); ++q) {
      total.quantiles[q][i] += share * (part.quantiles[q][i] - total.quantiles[q][i]);
    }
  }
  total.count += part.count;
}

Json to_json(const FeatureStats& stats, bool is_camera) {
  Json json;
  for (const auto& [name, list] : lists_of(stats)) {
    Json& numbers = json[name] = Json::array();
    for (const double number : *list) {
      numbers.push_back(is_camera ? Json::array({Json::array({number})}) : Json(number));
    }
  }
  json["count"] = Json::array({stats.count});
  return json;
}

FeatureStats stats_from_json(const Json& json) {
  FeatureStats stats;
  for (const auto& [name, list] : lists_of(stats)) {
    for (const Json& number : json.at(name)) {
      // JSON has no NaN.
      list->push_back(number.is_number() ? number.get<double>()
                                         : std::numeric_limits<double>::quiet_NaN());
    }
  }
  stats.count = json.at("count").at(0).get<std::int64_t>();
  return stats;
}

void add_stats(ColumnTable& table, const std::string& feature, const FeatureStats& stats,
               bool is_camera) {
  using parquet::Type;
  const std::string prefix = "stats/" + feature + "/";
  for (const auto& [name, list] : lists_of(stats)) {
    const auto size = std::ssize(*list);
    parquet::Values values{.values = *list, .offsets = {{0, size}}};
    if (is_camera) {
      std::vector<std::int64_t> ones;
      for (std::int64_t i = 0; i <= size; ++i) ones.push_back(i);
      values.offsets = {{0, size}, ones, ones};
    }
    table.add({.name = prefix + name, .type = Type::kDouble, .list_depth = is_camera ? 3 : 1},
              std::move(values));
  }
  table.add({.name = prefix + "count", .type = Type::kInt64, .list_depth = 1},
            {.values = std::vector<std::int64_t>{stats.count}, .offsets = {{0, 1}}});
}

FeatureStats read_stats(const parquet::Reader& reader, const std::string& feature) {
  const std::string prefix = "stats/" + feature + "/";
  const auto numbers = [&]<typename Number>(const std::string& name, std::vector<Number>& list) {
    parquet::Values values = reader.read(prefix + name, 0, 1);
    auto* const found = std::get_if<std::vector<Number>>(&values.values);
    if (found == nullptr || found->empty()) {
      throw Error({.what = "the statistics '" + prefix + name + "' are not a list of numbers",
                   .where = reader.file().string()});
    }
    list = std::move(*found);
  };
  FeatureStats stats;
  for (const auto& [name, list] : lists_of(stats)) numbers(name, *list);
  std::vector<std::int64_t> count;
  numbers("count", count);
  stats.count = count.front();
  const std::size_t size = stats.mean.size();
  for (const auto& [name, list] : lists_of(stats)) {
    if (list->size() == size) continue;
    throw Error({.what = "the statistics of '" + feature + "' have different sizes",
                 .where = reader.file().string()});
  }
  return stats;
}

}  // namespace roboimi::lerobot_dataset
