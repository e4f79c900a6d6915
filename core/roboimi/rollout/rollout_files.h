// The files of one rollout: a table of the robot's states and, if the environment has a scene, an
// image of the tools' paths and a video.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/io/video.h"
#include "roboimi/rollout/caption.h"
#include "roboimi/rollout/film_frame.h"
#include "roboimi/rollout/rollout.h"

namespace roboimi {

// The name of a stage (StepInfo::stage); empty without a scene.
std::string name_of_stage(const Scene* scene, std::int64_t stage);

// Records one episode. Does nothing if the output folder is empty.
class EpisodeRecorder {
 public:
  EpisodeRecorder(const RolloutOptions& options, Environment& environment, std::int64_t episode);

  // Called once after reset(). `state` [S] is the robot's; undefined if it has none.
  void start(const at::Tensor& state);
  // Adds the current state to the video. Called before every step with the policy's observation of
  // that state, whose images are shown; if it has none, they are rendered.
  void film(const Observation& seen);
  // Called after every step.
  void add(const StepResult& result);
  // Writes trajectory_NNN.csv (one row per state: end-effector positions in meters, then the
  // robot's state) and trajectory_NNN.png (see trajectory_image.h), and finishes episode_NNN.mp4.
  // The video shows the outcome for two more seconds. Without a scene, the table is the only file
  // and has no positions.
  void close();

 private:
  void start_film();
  void add_state(const at::Tensor& state);
  void add_frames(const Observation& seen, std::int64_t count);
  std::string table() const;
  at::Tensor drawn_paths() const;
  std::filesystem::path file(const char* stem, const char* suffix) const;

  const RolloutOptions& options_;
  Environment& environment_;
  Scene* const scene_;  // of environment_, or nullptr
  std::int64_t episode_;
  RolloutCaption caption_;
  std::optional<std::string> camera_;                      // empty if nothing can be rendered
  std::vector<std::vector<std::array<double, 3>>> paths_;  // meters, one per end effector
  std::vector<std::vector<std::array<double, 3>>> tools_;  // the same of tool_positions()
  std::vector<std::vector<bool>> holding_;                 // one per end effector
  std::vector<at::Tensor> states_;                         // float64 [S]
  std::unique_ptr<VideoWriter> video_;
};

}  // namespace roboimi
