#include "roboimi/contract/observation.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

constexpr std::pair<StreamKind, const char*> kKinds[] = {{StreamKind::kRgb, "rgb"},
                                                         {StreamKind::kDepth, "depth"},
                                                         {StreamKind::kVector, "vector"},
                                                         {StreamKind::kText, "text"}};

std::string joined(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::int64_t length_of(const ObservationSpec& spec, std::string_view name) {
  const StreamSpec* stream = spec.find(name);
  return stream == nullptr || stream->shape.empty() ? 0 : stream->shape.front();
}

std::string described(const StreamSpec& stream) {
  return fmt::format("{} {} [{}]", to_string(stream.kind), c10::toString(stream.dtype),
                     fmt::join(stream.shape, ", "));
}

// Why a policy that needs the stream `mine` cannot use `given`; empty if it can.
std::string difference_of(const StreamSpec& mine, const StreamSpec* given) {
  const char* what = mine.is_image() ? "camera" : "stream";
  if (given == nullptr) return fmt::format("{} '{}' is missing", what, mine.name);
  if (mine.kind != given->kind || mine.dtype != given->dtype ||
      mine.shape.size() != given->shape.size()) {
    return fmt::format("{} '{}' is {} instead of {}", what, mine.name, described(*given),
                       described(mine));
  }
  // Streams that do not declare their unit or their elements' names match any.
  if (!mine.unit.empty() && !given->unit.empty() && mine.unit != given->unit) {
    return fmt::format("{} '{}' is in {} instead of {}", what, mine.name, given->unit, mine.unit);
  }
  if (!mine.element_names.empty() && !given->element_names.empty() &&
      mine.element_names != given->element_names) {
    return fmt::format("{} '{}' has the elements [{}] instead of [{}]", what, mine.name,
                       fmt::join(given->element_names, ", "), fmt::join(mine.element_names, ", "));
  }
  if (mine.shape == given->shape) return "";
  if (!mine.is_image()) {
    return fmt::format("stream '{}' has [{}] values instead of [{}]", mine.name,
                       fmt::join(given->shape, ", "), fmt::join(mine.shape, ", "));
  }
  return fmt::format("camera '{}' has {}x{} pixels instead of {}x{}", mine.name, given->shape[0],
                     given->shape[1], mine.shape[0], mine.shape[1]);
}

}  // namespace

const char* to_string(StreamKind kind) {
  for (const auto& [value, name] : kKinds) {
    if (value == kind) return name;
  }
  return "unknown";
}

StreamKind stream_kind_from(const std::string& name) {
  for (const auto& [value, known] : kKinds) {
    if (name == known) return value;
  }
  throw Error(
      {.what = "unknown stream kind '" + name + "'", .expected = "rgb, depth, vector or text"});
}

StreamSpec rgb_stream(std::string name, ImageSize size) {
  return {.name = std::move(name),
          .kind = StreamKind::kRgb,
          .shape = {size.height, size.width, 3},
          .dtype = at::kByte};
}

StreamSpec depth_stream(std::string name, ImageSize size, at::ScalarType dtype, std::string unit) {
  return {.name = std::move(name),
          .kind = StreamKind::kDepth,
          .shape = {size.height, size.width},
          .dtype = dtype,
          .unit = std::move(unit)};
}

StreamSpec vector_stream(std::string name, std::int64_t size, std::string unit,
                         std::vector<std::string> element_names) {
  return {.name = std::move(name),
          .shape = {size},
          .unit = std::move(unit),
          .element_names = std::move(element_names)};
}

StreamSpec text_stream(std::string name, std::int64_t bytes) {
  return {.name = std::move(name), .kind = StreamKind::kText, .shape = {bytes}, .dtype = at::kByte};
}

at::Tensor Observation::get(const std::string& name) const {
  const auto found = find(name);
  return found == end() ? at::Tensor() : found->second;
}

const at::Tensor& Observation::at(const std::string& name) const {
  const auto found = find(name);
  if (found != end()) return found->second;
  std::vector<std::string> given;
  for (const auto& [stream, _] : *this) given.push_back(stream);
  throw Error(
      {.what = fmt::format("the observation has no stream '{}'", name), .found = joined(given)});
}

Observation Observation::images() const {
  Observation images;
  for (const auto& [name, tensor] : *this) {
    if (!tensor.defined() || tensor.scalar_type() != at::kByte || tensor.dim() < 3) continue;
    if (tensor.size(-1) == 3) images.emplace(name, tensor);
  }
  return images;
}

const StreamSpec* ObservationSpec::find(std::string_view name) const {
  const auto found = std::ranges::find(streams, name, &StreamSpec::name);
  return found == streams.end() ? nullptr : &*found;
}

const StreamSpec& ObservationSpec::at(std::string_view name) const {
  if (const StreamSpec* stream = find(name)) return *stream;
  throw Error({.what = fmt::format("there is no stream '{}'", name),
               .expected = fmt::format("one of {}", joined(names()))});
}

void ObservationSpec::set(StreamSpec stream) {
  const auto found = std::ranges::find(streams, stream.name, &StreamSpec::name);
  if (found == streams.end()) {
    streams.push_back(std::move(stream));
  } else {
    *found = std::move(stream);
  }
}

std::vector<std::string> ObservationSpec::names() const {
  std::vector<std::string> names;
  for (const StreamSpec& stream : streams) names.push_back(stream.name);
  return names;
}

std::vector<std::string> ObservationSpec::camera_names() const {
  std::vector<std::string> names;
  for (const StreamSpec& stream : streams) {
    if (stream.kind == StreamKind::kRgb) names.push_back(stream.name);
  }
  return names;
}

ImageSize ObservationSpec::image_size(std::string_view camera) const {
  const StreamSpec& stream = at(camera);
  if (stream.is_image()) return stream.size();
  throw Error(
      {.what = fmt::format("stream '{}' is not an image", camera), .found = described(stream)});
}

std::int64_t ObservationSpec::state_dim() const { return length_of(*this, kState); }

std::int64_t ObservationSpec::env_state_dim() const { return length_of(*this, kEnvState); }

std::string ObservationSpec::difference(const ObservationSpec& other) const {
  if (state_dim() != other.state_dim()) {
    return fmt::format("state_dim is {} instead of {}", other.state_dim(), state_dim());
  }
  if (action_dim != other.action_dim) {
    return fmt::format("action_dim is {} instead of {}", other.action_dim, action_dim);
  }
  for (const StreamSpec& stream : streams) {
    if (stream.name == kEnvState || stream.name == kVelocity) continue;
    const std::string text = difference_of(stream, other.find(stream.name));
    if (!text.empty()) return text;
  }
  return "";
}

at::Tensor text_tensor(std::string_view text, std::int64_t bytes) {
  if (std::ssize(text) > bytes) {
    throw Error({.what = "a string is longer than its stream",
                 .expected = fmt::format("at most {} bytes", bytes),
                 .found = fmt::format("{} bytes: '{}'", text.size(), text.substr(0, 60))});
  }
  at::Tensor tensor = at::zeros({bytes}, at::kByte);
  std::memcpy(tensor.data_ptr(), text.data(), text.size());
  return tensor;
}

std::string text_of(const at::Tensor& bytes) {
  const at::Tensor host = bytes.to(at::kCPU, at::kByte).contiguous();
  const auto* first = reinterpret_cast<const char*>(host.const_data_ptr<std::uint8_t>());
  return {first, std::find(first, first + host.numel(), '\0')};
}

at::Tensor depth_in_meters(const at::Tensor& depth, const StreamSpec& stream) {
  const at::Tensor counts = depth.to(at::kFloat);
  if (stream.unit == "mm") return counts / 1000.0;
  if (stream.unit == "m" || stream.unit.empty()) return counts;
  throw Error({.what = fmt::format("depth stream '{}' has an unknown unit", stream.name),
               .expected = "m or mm",
               .found = stream.unit});
}

}  // namespace roboimi
