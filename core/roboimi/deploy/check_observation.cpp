#include "roboimi/deploy/check_observation.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

std::string described(const at::Tensor& tensor) {
  if (!tensor.defined()) return "nothing";
  return c10::str(c10::toString(tensor.scalar_type()), " ", tensor.sizes());
}

void check_vector(const at::Tensor& values, std::int64_t size, const std::string& name) {
  const std::string where = "observation." + name;
  if (!values.defined() || !values.is_floating_point() || values.dim() != 1 ||
      values.size(0) != size) {
    throw Error({.what = fmt::format("the {} does not fit the policy", name),
                 .where = where,
                 .expected = fmt::format("Float [{}]", size),
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

void check_picture(const Images& images, const std::string& camera, const ImageSize& size) {
  const std::string where = fmt::format("observation.images['{}']", camera);
  const auto found = images.find(camera);
  if (found == images.end()) {
    std::vector<std::string> given;
    for (const auto& [name, image] : images) given.push_back(name);
    throw Error({.what = fmt::format("camera '{}' is missing", camera),
                 .where = where,
                 .expected = fmt::format("Byte [{}, {}, 3]", size.height, size.width),
                 .found = given.empty() ? "no camera" : fmt::format("{}", fmt::join(given, ", ")),
                 .next = "give every camera while Policy::needs_images() is true"});
  }
  const at::Tensor& image = found->second;
  if (image.defined() && image.scalar_type() == at::kByte &&
      image.sizes() == at::IntArrayRef({size.height, size.width, 3})) {
    return;
  }
  throw Error({.what = fmt::format("the picture of camera '{}' does not fit the policy", camera),
               .where = where,
               .expected = fmt::format("Byte [{}, {}, 3]", size.height, size.width),
               .found = described(image),
               .next = "give it as the training data has it: RGB, channels last"});
}

}  // namespace

void check_observation(const Observation& observation, const ObservationSpec& spec,
                       const std::vector<std::string>& cameras) {
  check_vector(observation.state, spec.state_dim, "state");
  if (observation.env_state.defined() && spec.env_state_dim > 0) {
    check_vector(observation.env_state, spec.env_state_dim, "env_state");
  }
  for (const std::string& camera : cameras) {
    check_picture(observation.images, camera, spec.images.at(camera));
  }
}

}  // namespace roboimi
