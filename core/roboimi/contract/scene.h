// A scene: what only a simulator knows and can do. It draws its world from any camera, knows where
// the end effectors are and how far the task has come, and demonstrates the task.
//
//   if (Scene* scene = environment.scene()) {
//     at::Tensor frame = scene->render("front", {480, 640});
//   }
//
// A caller asks for it by Environment::scene() and says what it does without one. A simulator
// usually implements both interfaces in one class, whose scene() returns `this`.
//
// stage_names(), max_reward() and end_effector_names() may be called at any time, everything else
// during an episode: an Error before the first reset().
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

// A scripted demonstrator of the task, made by a scene for its current episode.
class ROBOIMI_EXPORT Expert {
 public:
  virtual ~Expert();
  // The command for the current state, float [A].
  virtual at::Tensor act() = 0;
};

class ROBOIMI_EXPORT Scene {
 public:
  virtual ~Scene();

  virtual double max_reward() const = 0;                     // of one step; reaching it is success
  virtual std::vector<std::string> stage_names() const = 0;  // of StepInfo::stage, stage 0 first

  // World positions of the end effectors, meters [n][3], in the order of end_effector_names().
  virtual std::vector<std::array<double, 3>> end_effector_positions() const = 0;
  virtual std::vector<std::string> end_effector_names() const = 0;

  // Named quantities float [k] of the current state, for Dataset::labels(). The default: the end
  // effectors' positions in meters, as "<name>_position".
  virtual std::map<std::string, at::Tensor> labels() const;

  // An image of the current state, uint8 [height, width, 3], from any camera of the scene. Error
  // naming a camera that the scene lacks.
  virtual at::Tensor render(const std::string& camera, ImageSize size) = 0;
  // Pixel (x, y) of a world point (meters) in such an image; empty when behind the camera.
  virtual std::optional<std::array<double, 2>> project(
      const std::string& camera, ImageSize size, const std::array<double, 3>& point) const = 0;

  // An expert for the episode just reset; the default is nullptr: nobody demonstrates. `noise` is
  // the standard deviation of a perturbation of its way-points, in the task's unit; 0 is none.
  virtual std::unique_ptr<Expert> make_expert(double noise, std::uint64_t seed);
};

}  // namespace roboimi
