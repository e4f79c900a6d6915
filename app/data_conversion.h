// Conversion of datasets: chosen episodes of one or several datasets, written by an episode writer
// into a folder, in order.
//
//   const DataConversion conversion({first, second}, {.cameras = {"front"}, .resize = {{96, 96}}});
//   const ConvertedFolder folder(output, writer, settings);      // resumes an earlier conversion
//   for (std::int64_t i = 0; i < conversion.num_episodes(); ++i) {
//     if (!folder.has(i)) folder.add(conversion.record(i), i);
//   }
//
// The streams that the datasets read are kept, except for texts that one of them does not have; so
// are labels, seeds and success where they are known.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/contract/dataset.h"
#include "roboimi/contract/episode_writer.h"

namespace roboimi::app {

struct ConversionChoice {
  std::vector<std::string> cameras = {};   // image streams to keep, in this order; empty: all
  std::optional<ImageSize> resize = {};    // of all images that are kept
  std::vector<std::string> episodes = {};  // as EpisodeSelection; counted over all datasets
};

class DataConversion {
 public:
  // Throws Error if the datasets differ in their streams, actions or control rates (strings may
  // have different lengths), or if a camera or an episode does not exist.
  DataConversion(std::vector<std::shared_ptr<const Dataset>> datasets, ConversionChoice choice);

  std::int64_t num_episodes() const { return static_cast<std::int64_t>(episodes_.size()); }
  const ObservationSpec& spec() const { return spec_; }  // of the result

  // Reads episode `index` of the result, except for its images, which are read when they are
  // written. Reading images throws Interrupted if `should_stop` returns true.
  EpisodeRecord record(std::int64_t index, std::function<bool()> should_stop = {}) const;

 private:
  struct Source {
    std::shared_ptr<const Dataset> dataset;
    std::int64_t episode = 0;
  };

  ConversionChoice choice_;
  ObservationSpec spec_;
  std::vector<Source> episodes_;
};

// Frames [N, H, W, 3] or depths [N, H, W] resized to [N, height, width, ...]: colors bilinear with
// antialiasing, depths by the nearest pixel, so that no distance is invented at an edge.
at::Tensor resized_frames(const at::Tensor& frames, StreamKind kind, ImageSize size);

}  // namespace roboimi::app
