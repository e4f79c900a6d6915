#include "roboimi/deploy/check_observation.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

// As numpy and the documentation call it.
std::string dtype_name(at::ScalarType type) {
  switch (type) {
    case at::kByte:
      return "uint8";
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

std::string expected_image(const ImageSize& size) {
  return fmt::format("uint8 [{}, {}, 3] (RGB, HWC)", size.height, size.width);
}

void check_vector(const at::Tensor& values, std::int64_t size, const std::string& name) {
  const std::string where = "observation." + name;
  if (!values.defined() || !values.is_floating_point() || values.dim() != 1 ||
      values.size(0) != size) {
    throw Error({.what = fmt::format("the {} does not fit the policy", name),
                 .where = where,
                 .expected = fmt::format("float32 [{}]", size),
                 .found = described(values)});
  }
  const at::Tensor finite = at::isfinite(values);
  if (finite.all().item<bool>()) return;
  const auto index = finite.logical_not().nonzero()[0][0].item<std::int64_t>();
  throw Error({.what = fmt::format("the {} is not finite", name),
               .where = where,
               .expected = "finite numbers",
               .found = fmt::format("{} at {}", values[index].item<double>(), index),
               .next = "look at the sensor; the policy can go on with the next observation"});
}

void check_image(const Images& images, const std::string& camera, const ImageSize& size) {
  const std::string where = fmt::format("observation.images['{}']", camera);
  const auto found = images.find(camera);
  if (found == images.end()) {
    std::vector<std::string> given;
    for (const auto& [name, image] : images) given.push_back(name);
    throw Error({.what = fmt::format("camera '{}' is missing", camera),
                 .where = where,
                 .expected = expected_image(size),
                 .found = given.empty() ? "no camera" : fmt::format("{}", fmt::join(given, ", ")),
                 .next = "give every camera while Policy::needs_images() is true"});
  }
  const at::Tensor& image = found->second;
  if (image.defined() && image.scalar_type() == at::kByte &&
      image.sizes() == at::IntArrayRef({size.height, size.width, 3})) {
    return;
  }
  throw Error({.what = fmt::format("image '{}' has the wrong shape or dtype", camera),
               .where = where,
               .expected = expected_image(size),
               .found = described(image),
               .next = "give it as the training data has it"});
}

}  // namespace

void check_observation(const Observation& observation, const ObservationSpec& spec,
                       const std::vector<std::string>& cameras) {
  check_vector(observation.state, spec.state_dim, "state");
  if (observation.env_state.defined() && spec.env_state_dim > 0) {
    check_vector(observation.env_state, spec.env_state_dim, "env_state");
  }
  for (const std::string& camera : cameras) {
    const auto size = spec.images.find(camera);
    if (size == spec.images.end()) {
      throw Error({.what = fmt::format("the backbone asks for camera '{}', which the policy's "
                                       "training data does not have",
                                       camera),
                   .where = "Backbone::camera_names",
                   .expected = fmt::format("of {}", fmt::join(spec.camera_names, ", "))});
    }
    check_image(observation.images, camera, size->second);
  }
}

}  // namespace roboimi
