#include "app/data_conversion.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "roboimi/common/error.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/log.h"
#include "roboimi/common/text.h"
#include "roboimi/contract/episode_selection.h"
#include "roboimi/data/checked_reads.h"
#include "roboimi/io/image.h"

namespace roboimi::app {
namespace {

constexpr double kRateTolerance = 0.02;  // relative

std::string stream_label(const StreamSpec& stream) {
  return fmt::format("{} '{}' [{}] {}", to_string(stream.kind), printable(stream.name),
                     fmt::join(stream.shape, ", "), c10::toString(stream.dtype));
}

std::string place_of(const Dataset& dataset) { return dataset.episode(0).file.string(); }

[[noreturn]] void refuse_merge(const Dataset& dataset, const std::string& expected,
                               const std::string& found) {
  throw Error({.what = "the datasets cannot be merged",
               .where = place_of(dataset),
               .expected = expected + ", as in the first dataset",
               .found = found,
               .next = "convert them separately, or select common cameras with --cameras and "
                       "streams with data.KEY=VALUE"});
}

// Merges the spec of another dataset. Lengths of strings may differ, and so may names and units
// that one of the two does not declare.
void merge_spec(ObservationSpec& merged, const Dataset& dataset, const ObservationSpec& spec) {
  if (spec.action_dim != merged.action_dim) {
    refuse_merge(dataset, fmt::format("{} action dimensions", merged.action_dim),
                 std::to_string(spec.action_dim));
  }
  // An unknown rate fits any rate.
  if (merged.control_hz <= 0.0) merged.control_hz = spec.control_hz;
  const bool is_known = spec.control_hz > 0.0;
  if (is_known &&
      std::abs(spec.control_hz - merged.control_hz) > kRateTolerance * merged.control_hz) {
    refuse_merge(dataset, fmt::format("{:g} Hz", merged.control_hz),
                 fmt::format("{:g} Hz", spec.control_hz));
  }
  if (spec.names().size() != merged.names().size()) {
    refuse_merge(dataset, fmt::format("the streams {}", fmt::join(merged.names(), ", ")),
                 fmt::format("{}", fmt::join(spec.names(), ", ")));
  }
  for (StreamSpec& stream : merged.streams) {
    const StreamSpec* other = spec.find(stream.name);
    if (other == nullptr) {
      refuse_merge(dataset, stream_label(stream), fmt::format("{}", fmt::join(spec.names(), ", ")));
    }
    StreamSpec expected = stream, found = *other;
    if (expected.kind == StreamKind::kText && found.kind == StreamKind::kText) {
      stream.shape[0] = std::max(stream.shape[0], found.shape[0]);
      continue;
    }
    if (expected.unit.empty() || found.unit.empty()) expected.unit = found.unit = "";
    if (expected.element_names.empty() || found.element_names.empty()) {
      expected.element_names = found.element_names = {};
    }
    if (expected == found) continue;
    const bool differs_in_names = stream_label(expected) == stream_label(found);
    const auto label = [&](const StreamSpec& one) {
      return differs_in_names ? fmt::format("{} in '{}' with elements [{}]", stream_label(one),
                                            one.unit, fmt::join(one.element_names, ", "))
                              : stream_label(one);
    };
    refuse_merge(dataset, label(expected), label(found));
  }
}

// The streams to keep, with their new sizes.
ObservationSpec chosen_spec(const ObservationSpec& spec, const ConversionChoice& choice,
                            const std::string& where) {
  ObservationSpec chosen{.action_dim = spec.action_dim, .control_hz = spec.control_hz};
  std::vector<std::string> images;
  for (const StreamSpec& stream : spec.streams) {
    if (stream.is_image()) images.push_back(stream.name);
  }
  for (const std::string& camera : choice.cameras.empty() ? images : choice.cameras) {
    const StreamSpec* stream = spec.find(camera);
    if (stream == nullptr || !stream->is_image() || chosen.find(camera) != nullptr) {
      throw Error({.what = chosen.find(camera) != nullptr ? "a camera is named twice"
                                                          : "there is no such camera",
                   .where = where,
                   .expected = images.empty() ? "data with cameras"
                                              : fmt::format("{}", fmt::join(images, ", ")),
                   .found = "'" + printable(camera) + "'",
                   .next = "change --cameras"});
    }
    chosen.streams.push_back(*stream);
    if (choice.resize) {
      chosen.streams.back().shape[0] = choice.resize->height;
      chosen.streams.back().shape[1] = choice.resize->width;
    }
  }
  for (const StreamSpec& stream : spec.streams) {
    if (!stream.is_image()) chosen.streams.push_back(stream);
  }
  return chosen;
}

// The text streams that some of the datasets do not have: they are left out, with a log line.
std::set<std::string> texts_of_some(const std::vector<std::shared_ptr<const Dataset>>& datasets) {
  std::set<std::string> texts;
  for (const auto& dataset : datasets) {
    for (const StreamSpec& stream : dataset->spec().streams) {
      if (stream.kind == StreamKind::kText) texts.insert(stream.name);
    }
  }
  std::set<std::string> partial;
  for (const auto& dataset : datasets) {
    for (const std::string& name : texts) {
      if (dataset->spec().find(name) != nullptr || !partial.insert(name).second) continue;
      logger().warn("the texts '{}' are left out: {} does not have them", printable(name),
                    place_of(*dataset));
    }
  }
  return partial;
}

}  // namespace

at::Tensor resized_frames(const at::Tensor& frames, StreamKind kind, ImageSize size) {
  if (frames.size(1) == size.height && frames.size(2) == size.width) return frames;
  if (kind == StreamKind::kRgb) {
    std::vector<at::Tensor> resized;
    for (std::int64_t i = 0; i < frames.size(0); ++i) {
      resized.push_back(resize_image(frames[i].contiguous(), size.height, size.width));
    }
    return at::stack(resized);
  }
  const auto nearest = [](std::int64_t from, std::int64_t to) {
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    return ((at::arange(to, at::kDouble) + 0.5) * scale).floor().clamp(0, from - 1).to(at::kLong);
  };
  // Not every operator has uint16; int16 has the same bytes.
  const bool is_uint16 = frames.scalar_type() == at::kUInt16;
  const at::Tensor values = is_uint16 ? frames.contiguous().view(at::kShort) : frames;
  const at::Tensor resized = values.index_select(1, nearest(frames.size(1), size.height))
                                 .index_select(2, nearest(frames.size(2), size.width));
  return is_uint16 ? resized.view(at::kUInt16) : resized;
}

DataConversion::DataConversion(std::vector<std::shared_ptr<const Dataset>> datasets,
                               ConversionChoice choice)
    : choice_(std::move(choice)) {
  const std::set<std::string> partial_texts = texts_of_some(datasets);
  for (const auto& dataset : datasets) {
    ObservationSpec spec = chosen_spec(dataset->spec(), choice_, place_of(*dataset));
    std::erase_if(spec.streams,
                  [&](const StreamSpec& stream) { return partial_texts.contains(stream.name); });
    if (dataset == datasets.front()) spec_ = spec;
    merge_spec(spec_, *dataset, spec);
    for (std::int64_t i = 0; i < dataset->num_episodes(); ++i) episodes_.push_back({dataset, i});
  }
  // Select by position.
  std::vector<std::int64_t> numbers(episodes_.size());
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  std::vector<Source> selected;
  for (const std::size_t i :
       EpisodeSelection(choice_.episodes).positions_in(numbers, "--episodes")) {
    selected.push_back(episodes_[i]);
  }
  episodes_ = std::move(selected);
}

EpisodeRecord DataConversion::record(std::int64_t index, std::function<bool()> should_stop) const {
  const Source source = episodes_.at(static_cast<std::size_t>(index));
  const EpisodeInfo& info = source.dataset->episode(source.episode);
  EpisodeRecord record{.streams = spec_.streams,
                       .labels = read_labels(*source.dataset, source.episode),
                       .actions = read_actions(*source.dataset, source.episode),
                       .control_hz = spec_.control_hz,
                       .seed = info.seed,
                       .success = info.success};
  for (const StreamSpec& stream : spec_.streams) {
    if (stream.is_image()) continue;
    at::Tensor rows = read_stream(*source.dataset, source.episode, stream.name);
    if (stream.kind == StreamKind::kText) {
      rows = at::constant_pad_nd(rows, {0, stream.shape[0] - rows.size(1)});
    }
    record.observations[stream.name] = rows;
  }
  record.read_images = [source, should_stop = std::move(should_stop)](
                           const StreamSpec& stream, std::int64_t first, std::int64_t count) {
    if (should_stop && should_stop()) throw Interrupted("interrupted");
    return resized_frames(read_stream(*source.dataset, source.episode, stream.name, first, count),
                          stream.kind, stream.size());
  };
  return record;
}

}  // namespace roboimi::app
