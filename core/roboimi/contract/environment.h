// A simulated task (or a robot), with gymnasium's semantics.
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

// What a step tells beside the observation.
struct StepInfo {
  bool success = false;  // the task's own criterion has been met at this or an earlier step
  bool stable_success =
      false;               // a stricter criterion, where the task has one (held, giver released)
  std::int64_t stage = 0;  // highest stage reached so far
};

struct StepResult {
  Observation observation;
  double reward = 0.0;
  bool terminated = false;  // the task itself ended
  bool truncated = false;   // the time limit was reached
  StepInfo info;
};

// Demonstrates the task. Made by an environment for its current episode.
class ROBOIMI_EXPORT Expert {
 public:
  virtual ~Expert();
  // The command for the current state, float [A].
  virtual at::Tensor act() = 0;
};

// One instance is used from one thread at a time.
class ROBOIMI_EXPORT Environment {
 public:
  virtual ~Environment();

  virtual const ObservationSpec& spec() const = 0;
  virtual std::int64_t max_steps() const = 0;                // steps until truncated
  virtual double max_reward() const = 0;                     // of one step; reaching it is success
  virtual std::vector<std::string> stage_names() const = 0;  // stage 0 first

  // Starts an episode whose initial state depends on `seed` alone. Without `render`,
  // observation.images is empty and no frame is drawn.
  virtual Observation reset(std::uint64_t seed, bool render) = 0;
  // action float [A]. After terminated or truncated, reset() must come first (Error).
  virtual StepResult step(const at::Tensor& action, bool render) = 0;
  // The current observation again, for a caller that decides after step() whether it wants
  // pictures.
  virtual Observation observe(bool render) = 0;

  // A scripted demonstrator for the episode just reset, or nullptr. `noise` is the standard
  // deviation of a perturbation of its way-points, in the task's unit; 0 is none.
  virtual std::unique_ptr<Expert> make_expert(double noise, std::uint64_t seed);

  // World positions of the end effectors, metres [n][3], named by end_effector_names().
  virtual std::vector<std::array<double, 3>> end_effector_positions() const = 0;
  virtual std::vector<std::string> end_effector_names() const = 0;
  // Named quantities float [k] of the current state, for Dataset::labels(). The default: the end
  // effectors' positions in metres, as "<name>_position".
  virtual std::map<std::string, at::Tensor> labels() const;

  // A picture of the current state, uint8 [height, width, 3], for videos; any camera of the scene.
  virtual at::Tensor render(const std::string& camera, ImageSize size) = 0;
  // Pixel (x, y) of a world point in such a picture; empty when behind the camera.
  virtual std::optional<std::array<double, 2>> project(
      const std::string& camera, ImageSize size, const std::array<double, 3>& point) const = 0;
};

}  // namespace roboimi
