// A scene: the features of an environment that only a simulator has. It renders any camera, knows
// the positions of the end effectors and the stages of the task, and can demonstrate the task.
//
//   if (Scene* scene = environment.scene()) {
//     at::Tensor frame = scene->render("front", {480, 640});
//   }
//
// Callers get it from Environment::scene() and must handle nullptr. A simulator usually implements
// both interfaces in one class, whose scene() returns `this`.
//
// stage_names(), max_reward(), end_effector_names() and renderer_name() may be called at any time.
// All other functions throw Error before the first reset().
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

  virtual double max_reward() const = 0;  // of one step; reaching it means success
  virtual std::vector<std::string> stage_names() const = 0;  // indexed by StepInfo::stage

  // World positions of the end effectors in meters, [n][3], in the order of end_effector_names().
  virtual std::vector<std::array<double, 3>> end_effector_positions() const = 0;
  virtual std::vector<std::string> end_effector_names() const = 0;

  // World positions in meters, [n][3], where the end effectors meet objects, such as the points
  // between the fingertips. Videos and trajectory images mark them. The default:
  // end_effector_positions().
  virtual std::vector<std::array<double, 3>> tool_positions() const;
  // Whether each end effector holds an object, [n]. The default: none does.
  virtual std::vector<bool> holding() const;

  // Named quantities float [k] of the current state, for Dataset::labels(). The default: the end
  // effectors' positions in meters, as "<name>_position".
  virtual std::map<std::string, at::Tensor> labels() const;

  // An image of the current state, uint8 [height, width, 3], from any camera of the scene. Throws
  // Error if the scene has no such camera.
  virtual at::Tensor render(const std::string& camera, ImageSize size) = 0;
  // What renders the images, in words, such as "EGL device 0: NVIDIA H200" or "OSMesa: llvmpipe
  // (software)". Empty before the first image, and by default.
  virtual std::string renderer_name() const;
  // Pixel (x, y) of a world point (meters) in such an image; empty if it is behind the camera.
  virtual std::optional<std::array<double, 2>> project(
      const std::string& camera, ImageSize size, const std::array<double, 3>& point) const = 0;

  // An expert for the current episode, right after reset(); nullptr (the default) if there is none.
  // `noise` is the standard deviation of a perturbation of its waypoints, in the task's unit; 0
  // turns it off.
  virtual std::unique_ptr<Expert> make_expert(double noise, std::uint64_t seed);
};

}  // namespace roboimi
