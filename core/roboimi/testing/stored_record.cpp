#include "roboimi/testing/stored_record.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "roboimi/testing/check.h"
#include "roboimi/testing/same_tensor.h"

namespace roboimi::testing {
namespace {

constexpr double kCompressionError = 4.0;  // of 255, the mean over the pixels of a stream
constexpr double kDepthError = 1e-3;       // meters

bool is_close(const at::Tensor& found, const at::Tensor& expected, double tolerance) {
  return (found.to(at::kDouble) - expected.to(at::kDouble)).abs().mean().item<double>() <=
         tolerance;
}

// The same strings, padded to any length.
bool same_texts(const at::Tensor& a, const at::Tensor& b) {
  if (a.dim() != 2 || b.dim() != 2 || a.size(0) != b.size(0)) return false;
  for (std::int64_t row = 0; row < a.size(0); ++row) {
    if (text_of(a[row]) != text_of(b[row])) return false;
  }
  return true;
}

// Depth may be stored in a different dtype and unit, and strings with different padding.
void require_stored_stream(const at::Tensor& found, const StreamSpec& found_spec,
                           const at::Tensor& expected, const StreamSpec& spec) {
  const bool is_text = spec.kind == StreamKind::kText;
  require(found_spec.kind == spec.kind && (is_text || found.sizes() == expected.sizes()),
          fmt::format("the stored stream '{}' is {} {}; {} {} was written", spec.name,
                      to_string(found_spec.kind), c10::str(found.sizes()), to_string(spec.kind),
                      c10::str(expected.sizes())));
  const bool is_same = spec.kind == StreamKind::kRgb ? is_close(found, expected, kCompressionError)
                       : spec.kind == StreamKind::kDepth
                           ? is_close(depth_in_meters(found, found_spec),
                                      depth_in_meters(expected, spec), kDepthError)
                       : is_text ? same_texts(found, expected)
                                 : same_tensor(found, expected.to(found_spec.dtype));
  require(is_same, fmt::format("the values of stream '{}' change when they are written and read",
                               spec.name));
}

}  // namespace

void require_stored(const Dataset& dataset, std::int64_t index, const EpisodeRecord& record) {
  require(index < dataset.num_episodes(),
          fmt::format("{} episodes were written, {} are read", index + 1, dataset.num_episodes()));
  // Streams. Datasets do not return the velocity, which is not an input of a policy.
  for (const StreamSpec& stream : record.streams) {
    if (stream.name == kVelocity) continue;
    const StreamSpec* const found = dataset.spec().find(stream.name);
    require(found != nullptr,
            fmt::format("the stream '{}' is not stored, although write() accepts it; throw an "
                        "Error for a stream that the format cannot store",
                        stream.name));
    require_stored_stream(dataset.read_all(index, stream.name), *found,
                          record.observations.at(stream.name), stream);
  }
  // Actions and labels.
  require(same_tensor(dataset.actions(index), record.actions),
          "the actions change when they are written and read");
  const auto labels = dataset.labels(index);
  for (const auto& [name, values] : record.labels) {
    const auto found = labels.find(name);
    require(found != labels.end() && same_tensor(found->second, values),
            fmt::format("the label '{}' is lost or changes when it is written and read", name));
  }
  // Facts about the episode.
  const EpisodeInfo& info = dataset.episode(index);
  require(!info.seed || info.seed == record.seed, "the seed changes when it is written and read");
  require(!info.success || info.success == record.success,
          "the success changes when it is written and read");
  require(std::abs(dataset.spec().control_hz - record.control_hz) <= 1e-3 * record.control_hz,
          fmt::format("control_hz is {} when it is read; {} was written", dataset.spec().control_hz,
                      record.control_hz));
}

}  // namespace roboimi::testing
