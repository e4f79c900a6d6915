#include "roboimi/deploy/check_observation.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

// The dtype's name in numpy and in the documentation.
std::string dtype_name(at::ScalarType type) {
  switch (type) {
    case at::kByte:
      return "uint8";
    case at::kUInt16:
      return "uint16";
    case at::kChar:
      return "int8";
    case at::kShort:
      return "int16";
    case at::kInt:
      return "int32";
    case at::kLong:
      return "int64";
    case at::kHalf:
      return "float16";
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kBool:
      return "bool";
    default:
      return c10::toString(type);
  }
}

std::string described(const at::Tensor& tensor) {
  if (!tensor.defined()) return "nothing";
  return c10::str(dtype_name(tensor.scalar_type()), " ", tensor.sizes());
}

std::string expected(const StreamSpec& stream) {
  const char* layout = stream.kind == StreamKind::kRgb     ? " (RGB, HWC)"
                       : stream.kind == StreamKind::kDepth ? " (HW)"
                                                           : "";
  return fmt::format("{} [{}]{}", dtype_name(stream.dtype), fmt::join(stream.shape, ", "), layout);
}

void check_vector(const at::Tensor& values, std::int64_t size, const std::string& name) {
  const std::string where = "observation." + name;
  if (!values.defined() || !values.is_floating_point() || values.dim() != 1 ||
      values.size(0) != size) {
    throw Error({.what = fmt::format("'{}' has the wrong shape or dtype", name),
                 .where = where,
                 .expected = fmt::format("float32 [{}]", size),
                 .found = described(values)});
  }
  const at::Tensor finite = at::isfinite(values);
  if (finite.all().item<bool>()) return;
  const auto index = finite.logical_not().nonzero()[0][0].item<std::int64_t>();
  throw Error({.what = fmt::format("'{}' is not finite", name),
               .where = where,
               .expected = "finite values",
               .found = fmt::format("{} at index {}", values[index].item<double>(), index),
               .next = "check the sensor; the policy can continue with the next observation"});
}

// A float32 depth image can contain NaN or infinity where the sensor measured nothing.
void require_finite_depth(const at::Tensor& depth, const StreamSpec& stream) {
  if (!depth.is_floating_point() || at::isfinite(depth).all().item<bool>()) return;
  throw Error({.what = fmt::format("depth image '{}' is not finite", stream.name),
               .where = fmt::format("observation['{}']", stream.name),
               .expected = "finite values; 0 where the sensor measured nothing",
               .found = "NaN or infinity",
               .next = "replace them with 0: torch::nan_to_num(depth, 0.0, 0.0, 0.0)"});
}

void check_image(const Observation& observation, const StreamSpec& stream) {
  const std::string where = fmt::format("observation['{}']", stream.name);
  const auto found = observation.find(stream.name);
  if (found == observation.end()) {
    std::vector<std::string> given;
    for (const auto& [name, image] : observation.images()) given.push_back(name);
    throw Error({.what = fmt::format("camera '{}' is missing", stream.name),
                 .where = where,
                 .expected = expected(stream),
                 .found = given.empty() ? "no camera" : fmt::format("{}", fmt::join(given, ", ")),
                 .next = "pass all camera images while Policy::needs_images() is true"});
  }
  const at::Tensor& image = found->second;
  if (image.defined() && image.scalar_type() == stream.dtype && image.sizes() == stream.shape) {
    require_finite_depth(image, stream);
    return;
  }
  throw Error({.what = fmt::format("image '{}' has the wrong shape or dtype", stream.name),
               .where = where,
               .expected = expected(stream),
               .found = described(image),
               .next = "convert it to the format of the training data"});
}

void check_text(const Observation& observation, const StreamSpec& stream) {
  const at::Tensor text = observation.get(stream.name);
  if (text.defined() && text.scalar_type() == at::kByte && text.sizes() == stream.shape) return;
  throw Error({.what = fmt::format("string '{}' has the wrong shape or dtype", stream.name),
               .where = fmt::format("observation['{}']", stream.name),
               .expected = expected(stream),
               .found = described(text),
               .next = fmt::format("create it with text_tensor(text, {})", stream.shape.front())});
}

}  // namespace

void check_observation(const Observation& observation, const ObservationSpec& spec,
                       const std::vector<std::string>& streams, bool with_images) {
  for (const std::string& name : streams) {
    const StreamSpec* stream = spec.find(name);
    if (stream == nullptr) {
      throw Error({.what = fmt::format("the policy needs the stream '{}', which its training "
                                       "data does not have",
                                       name),
                   .where = "Agent::stream_names",
                   .expected = fmt::format("one of {}", fmt::join(spec.names(), ", "))});
    }
    if (stream->kind == StreamKind::kVector) {
      check_vector(observation.get(name), stream->shape.front(), name);
    } else if (stream->kind == StreamKind::kText) {
      check_text(observation, *stream);
    } else if (with_images) {
      check_image(observation, *stream);
    }
  }
}

}  // namespace roboimi
