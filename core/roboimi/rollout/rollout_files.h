// What an episode leaves on disk: its end effectors' paths, as numbers and as a picture, and a
// video.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "roboimi/io/video.h"
#include "roboimi/rollout/rollout.h"

namespace roboimi {

// Follows one episode. With an empty output folder it does nothing.
class EpisodeRecorder {
 public:
  EpisodeRecorder(const RolloutOptions& options, Environment& environment, std::int64_t episode);

  // Once after reset() and once after every step(); `state` [S] is the robot's.
  void add_state(const at::Tensor& state);
  // Writes trajectory_NNN.csv (a row a state: paths in metres, then the robot's state) and
  // trajectory_NNN.png (the last state as filming_camera() sees it, executed end-effector paths in
  // red), and finishes episode_NNN.mp4.
  void close();

 private:
  // After reset(), before which nothing may be drawn.
  void start_film();
  std::string table() const;
  std::filesystem::path file(const char* stem, const char* suffix) const;

  const RolloutOptions& options_;
  Environment& environment_;
  std::int64_t episode_;
  std::optional<std::string> camera_;                      // none: there is nothing to draw by
  std::vector<std::vector<std::array<double, 3>>> paths_;  // one an end effector, metres
  std::vector<at::Tensor> states_;                         // float64 [S]
  std::unique_ptr<VideoWriter> video_;
};

}  // namespace roboimi
