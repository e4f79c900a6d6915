#include "roboimi/rollout/rollout_files.h"

#include <fmt/format.h>

#include "roboimi/common/files.h"
#include "roboimi/io/image.h"
#include "roboimi/rollout/fit.h"

namespace roboimi {
namespace {

constexpr std::array<std::uint8_t, 3> kRed{230, 30, 30};
constexpr double kLineThickness = 2.5;  // pixels
constexpr double kDefaultFps = 20.0;

}  // namespace

EpisodeRecorder::EpisodeRecorder(const RolloutOptions& options, Environment& environment,
                                 std::int64_t episode)
    : options_(options),
      environment_(environment),
      scene_(environment.scene()),
      episode_(episode) {}

void EpisodeRecorder::start_film() {
  camera_ = filming_camera(environment_);
  if (!camera_ || episode_ >= options_.num_videos) return;
  const double control_hz = environment_.spec().control_hz;
  video_ = std::make_unique<VideoWriter>(file("episode", "mp4"), kFilmSize,
                                         control_hz > 0 ? control_hz : kDefaultFps);
}

std::filesystem::path EpisodeRecorder::file(const char* stem, const char* suffix) const {
  return options_.output_folder / fmt::format("{}_{:03}.{}", stem, episode_, suffix);
}

void EpisodeRecorder::add_state(const at::Tensor& state) {
  if (options_.output_folder.empty()) return;
  if (states_.empty()) start_film();
  states_.push_back(state.to(at::kDouble).contiguous());
  if (scene_ == nullptr) return;
  const auto positions = scene_->end_effector_positions();
  paths_.resize(positions.size());
  for (std::size_t i = 0; i < positions.size(); ++i) paths_[i].push_back(positions[i]);
  if (video_) video_->add(scene_->render(*camera_, kFilmSize));
}

std::string EpisodeRecorder::table() const {
  std::string text = "step";
  const auto names = scene_ != nullptr ? scene_->end_effector_names() : std::vector<std::string>();
  for (const std::string& name : names) {
    for (const char axis : {'x', 'y', 'z'}) text += fmt::format(",{}_{}", name, axis);
  }
  for (std::int64_t i = 0; i < environment_.spec().state_dim(); ++i) {
    text += fmt::format(",state_{}", i);
  }
  text += '\n';
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

// The current state as the camera sees it, with the paths that led there.
at::Tensor EpisodeRecorder::drawn_paths() {
  at::Tensor image = scene_->render(*camera_, kFilmSize).clone();
  for (const auto& path : paths_) {
    std::vector<PixelPoint> pixels;
    for (const auto& point : path) {
      const auto pixel = scene_->project(*camera_, kFilmSize, point);
      if (pixel) pixels.push_back(*pixel);
    }
    draw_polyline(image, pixels, kRed, kLineThickness);
  }
  return image;
}

void EpisodeRecorder::close() {
  if (options_.output_folder.empty()) return;
  write_text_atomically(file("trajectory", "csv"), table());
  if (camera_) write_png(file("trajectory", "png"), drawn_paths());
  if (video_) video_->close();
}

}  // namespace roboimi
