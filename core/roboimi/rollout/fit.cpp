#include "roboimi/rollout/fit.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "roboimi/common/error.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"

namespace roboimi {
namespace {

constexpr double kSameRate = 0.02;
constexpr const char* kFilmingCameras[] = {"overview", "front"};

std::string rate_difference(double policy_hz, double environment_hz) {
  const bool known = policy_hz > 0.0 && environment_hz > 0.0;
  if (!known || std::abs(policy_hz - environment_hz) <= kSameRate * policy_hz) return "";
  return fmt::format("control rate is {:.4g} Hz instead of {:.4g} Hz", environment_hz, policy_hz);
}

// The part of `spec` with the named streams.
ObservationSpec part_of(const ObservationSpec& spec, const std::vector<std::string>& streams) {
  ObservationSpec part{.action_dim = spec.action_dim, .control_hz = spec.control_hz};
  for (const std::string& name : streams) {
    if (const StreamSpec* stream = spec.find(name)) part.set(*stream);
  }
  return part;
}

void require_image(const at::Tensor& image, const StreamSpec& stream) {
  if (image.defined() && image.scalar_type() == stream.dtype && image.sizes() == stream.shape) {
    return;
  }
  const bool is_rgb = stream.kind == StreamKind::kRgb;
  throw Error({.what = fmt::format("the environment's image of camera '{}' differs from its spec",
                                   stream.name),
               .where = "env",
               .expected = fmt::format("{} [{}]", is_rgb ? "uint8" : c10::toString(stream.dtype),
                                       fmt::join(stream.shape, ", ")),
               .found = image.defined() ? fmt::format("{} with {} dimensions and {} elements",
                                                      c10::toString(image.scalar_type()),
                                                      image.dim(), image.numel())
                                        : "none"});
}

}  // namespace

std::string difference_for(const Agent& agent, const ObservationSpec& other) {
  const std::vector<std::string> streams = agent.stream_names();
  const ObservationSpec read = part_of(agent.spec(), streams), given = part_of(other, streams);
  // difference() ignores env_state, which most agents do not read.
  if (read.env_state_dim() != given.env_state_dim()) {
    return fmt::format("env_state_dim is {} instead of {}", given.env_state_dim(),
                       read.env_state_dim());
  }
  return read.difference(given);
}

void require_fit(const Agent& agent, const ObservationSpec& environment) {
  std::string difference = difference_for(agent, environment);
  if (difference.empty()) {
    difference = rate_difference(agent.spec().control_hz, environment.control_hz);
  }
  if (difference.empty()) return;
  throw Error(
      {.what = "the policy does not fit the environment: " + difference,
       .where = "env",
       .expected = "the sizes, cameras and control rate of the training data",
       .next = "set env.camera_names, env.image_height and env.image_width to the values used when "
               "the data was collected"});
}

std::optional<std::string> filming_camera(Environment& environment) {
  Scene* const scene = environment.scene();
  if (scene == nullptr) return std::nullopt;
  const std::vector<std::string> observed = environment.spec().camera_names();
  for (const std::string camera : kFilmingCameras) {
    if (std::find(observed.begin(), observed.end(), camera) != observed.end()) return camera;
    try {
      // A scene may have cameras that are not in the observation.
      scene->render(camera, kFilmSize);
      return camera;
    } catch (const std::exception&) {
      continue;
    }
  }
  if (observed.empty()) return std::nullopt;
  return observed.front();
}

void try_environment(Environment& environment, std::uint64_t seed, bool with_images, bool films) {
  // reset() would move a real robot.
  if (environment.scene() == nullptr) return;
  environment.reset(seed, false);
  if (with_images) {
    const Observation observation = environment.observe(true);
    for (const StreamSpec& stream : environment.spec().streams) {
      if (stream.is_image()) require_image(observation.get(stream.name), stream);
    }
  }
  if (!films) return;
  if (const auto camera = filming_camera(environment)) {
    require_image(environment.scene()->render(*camera, kFilmSize), rgb_stream(*camera, kFilmSize));
  }
}

}  // namespace roboimi
