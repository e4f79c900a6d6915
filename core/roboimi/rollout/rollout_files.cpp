#include "roboimi/rollout/rollout_files.h"

#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/io/image.h"
#include "roboimi/rollout/fit.h"
#include "roboimi/rollout/trajectory_image.h"

namespace roboimi {
namespace {

constexpr double kDefaultFps = 20.0;
constexpr double kHoldSeconds = 2.0;  // how long a video shows the outcome

double fps_of(const Environment& environment) {
  const double control_hz = environment.spec().control_hz;
  return control_hz > 0 ? control_hz : kDefaultFps;
}

void require_count(const char* function, std::size_t found, std::size_t expected) {
  if (found == expected) return;
  throw Error({.what = fmt::format("the scene's {}() has the wrong size", function),
               .where = "env",
               .expected = fmt::format("{}, one per end effector", expected),
               .found = std::to_string(found)});
}

}  // namespace

std::string name_of_stage(const Scene* scene, std::int64_t stage) {
  if (scene == nullptr) return "";
  const std::vector<std::string> names = scene->stage_names();
  const bool is_named = stage >= 0 && stage < std::ssize(names);  // a plugin may return any number
  return is_named ? names[static_cast<std::size_t>(stage)] : "";
}

EpisodeRecorder::EpisodeRecorder(const RolloutOptions& options, Environment& environment,
                                 std::int64_t episode)
    : options_(options), environment_(environment), scene_(environment.scene()), episode_(episode) {
  caption_.seed = options.first_seed + static_cast<std::uint64_t>(episode);
  caption_.max_steps = environment.max_steps();
  if (scene_ != nullptr) caption_.max_reward = scene_->max_reward();
}

// A scene cannot be rendered before reset().
void EpisodeRecorder::start_film() {
  camera_ = filming_camera(environment_);
  if (!camera_ || episode_ >= options_.num_videos) return;
  std::vector<ImageSize> views;
  for (const std::string& camera : environment_.spec().camera_names()) {
    views.push_back(environment_.spec().image_size(camera));
  }
  video_ = std::make_unique<VideoWriter>(file("episode", "mp4"), film_frame_size(views),
                                         fps_of(environment_));
}

std::filesystem::path EpisodeRecorder::file(const char* stem, const char* suffix) const {
  return options_.output_folder / fmt::format("{}_{:03}.{}", stem, episode_, suffix);
}

void EpisodeRecorder::start(const at::Tensor& state) {
  if (options_.output_folder.empty()) return;
  caption_.stage = name_of_stage(scene_, 0);
  start_film();
  add_state(state);
}

void EpisodeRecorder::add(const StepResult& result) {
  if (options_.output_folder.empty()) return;
  // Update the caption.
  caption_.reward = result.reward;
  caption_.highest_reward =
      caption_.step == 0 ? result.reward : std::max(caption_.highest_reward, result.reward);
  ++caption_.step;
  caption_.success = result.info.success;
  caption_.stage = name_of_stage(scene_, result.info.stage);
  add_state(result.observation.state());
}

void EpisodeRecorder::add_state(const at::Tensor& state) {
  states_.push_back(state.defined() ? state.to(at::kDouble).contiguous()
                                    : at::zeros({0}, at::kDouble));
  if (scene_ == nullptr) return;
  // Positions and grasps.
  const auto positions = scene_->end_effector_positions();
  const auto tools = scene_->tool_positions();
  const auto holding = scene_->holding();
  require_count("tool_positions", tools.size(), positions.size());
  require_count("holding", holding.size(), positions.size());
  paths_.resize(positions.size());
  tools_.resize(positions.size());
  holding_.resize(positions.size());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    paths_[i].push_back(positions[i]);
    tools_[i].push_back(tools[i]);
    holding_[i].push_back(holding[i]);
  }
}

void EpisodeRecorder::film(const Observation& seen) {
  if (!video_) return;
  const bool has_images =
      std::ranges::all_of(environment_.spec().camera_names(),
                          [&](const std::string& camera) { return seen.contains(camera); });
  add_frames(has_images ? seen : environment_.observe(true), 1);
}

// Adds the current state, whose images are in `seen`, to the video, `count` times.
void EpisodeRecorder::add_frames(const Observation& seen, std::int64_t count) {
  NamedImages views;
  for (const std::string& camera : environment_.spec().camera_names()) {
    views.emplace_back(camera, seen.at(camera));
  }
  const at::Tensor frame = film_frame(scene_->render(*camera_, kFilmSize), views, caption_);
  for (std::int64_t i = 0; i < count; ++i) video_->add(frame);
}

std::string EpisodeRecorder::table() const {
  // The header.
  std::string text = "step";
  const auto names = scene_ != nullptr ? scene_->end_effector_names() : std::vector<std::string>();
  for (const std::string& name : names) {
    for (const char axis : {'x', 'y', 'z'}) text += fmt::format(",{}_{}", name, axis);
  }
  for (std::int64_t i = 0; i < environment_.spec().state_dim(); ++i) {
    text += fmt::format(",state_{}", i);
  }
  text += '\n';
  // One row per state.
  for (std::size_t step = 0; step < states_.size(); ++step) {
    text += fmt::format("{}", step);
    for (const auto& path : paths_) {
      for (const double meters : path[step]) text += fmt::format(",{:.6f}", meters);
    }
    const double* state = states_[step].const_data_ptr<double>();
    for (std::int64_t i = 0; i < states_[step].numel(); ++i)
      text += fmt::format(",{:.6f}", state[i]);
    text += '\n';
  }
  return text;
}

// The trajectory image, over the current state.
at::Tensor EpisodeRecorder::drawn_paths() const {
  constexpr double kNowhere = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::string> names = short_names(scene_->end_effector_names());
  std::vector<ToolPath> paths;
  for (std::size_t i = 0; i < tools_.size(); ++i) {
    ToolPath path{.name = names.at(i), .points = {}, .grasps = grasp_starts(holding_[i])};
    for (const auto& point : tools_[i]) {
      const auto pixel = scene_->project(*camera_, kFilmSize, point);
      path.points.push_back(pixel.value_or(PixelPoint{kNowhere, kNowhere}));
    }
    paths.push_back(std::move(path));
  }
  return trajectory_image(scene_->render(*camera_, kFilmSize), paths, caption_);
}

void EpisodeRecorder::close() {
  if (options_.output_folder.empty()) return;
  // The last state, first as it was reached, then with the outcome.
  const Observation last = video_ ? environment_.observe(true) : Observation();
  if (video_) add_frames(last, 1);
  caption_.is_over = true;
  if (video_) {
    add_frames(last, std::max<std::int64_t>(1, std::lround(kHoldSeconds * fps_of(environment_))));
    video_->close();
  }
  write_text_atomically(file("trajectory", "csv"), table());
  if (camera_) write_png(file("trajectory", "png"), drawn_paths());
}

}  // namespace roboimi
