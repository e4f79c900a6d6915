// What an episode leaves on disk: the robot's states as a table, and where the environment has a
// scene, the end effectors' paths in the same table and in an image, and a video.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/io/video.h"
#include "roboimi/rollout/rollout.h"

namespace roboimi {

// Follows one episode. With an empty output folder it does nothing.
class EpisodeRecorder {
 public:
  EpisodeRecorder(const RolloutOptions& options, Environment& environment, std::int64_t episode);

  // Once after reset() and once after every step(); `state` [S] is the robot's.
  void add_state(const at::Tensor& state);
  // Writes trajectory_NNN.csv (a row a state: paths in meters, then the robot's state) and
  // trajectory_NNN.png (the last state as filming_camera() sees it, executed end-effector paths in
  // red), and finishes episode_NNN.mp4. Without a scene the table has no paths and is the only
  // file.
  void close();

 private:
  // After reset(), before which nothing may be drawn.
  void start_film();
  std::string table() const;
  at::Tensor drawn_paths();
  std::filesystem::path file(const char* stem, const char* suffix) const;

  const RolloutOptions& options_;
  Environment& environment_;
  Scene* const scene_;  // of environment_, or nullptr
  std::int64_t episode_;
  std::optional<std::string> camera_;                      // none: there is nothing to draw by
  std::vector<std::vector<std::array<double, 3>>> paths_;  // one an end effector, meters
  std::vector<at::Tensor> states_;                         // float64 [S]
  std::unique_ptr<VideoWriter> video_;
};

}  // namespace roboimi
