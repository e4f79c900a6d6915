// A test dataset in memory whose episodes are also stored in files. Values identify their episode e
// and row t: state[e][t] = 100 e + t, actions[e][t] = -(100 e + t).
#pragma once

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "roboimi/contract/dataset.h"

namespace roboimi {

class TableDataset : public Dataset {
 public:
  // Frames are random, from a generator seeded by episode and camera. The files contain the frames
  // of the first `stored` cameras as raw bytes, after a header of 7 bytes.
  TableDataset(std::filesystem::path folder, std::vector<std::int64_t> lengths,
               std::vector<std::string> cameras, ImageSize size = {4, 5}, std::size_t stored = 0)
      : stored_(stored) {
    std::filesystem::create_directories(folder);
    for (const std::string& camera : cameras) spec_.set(rgb_stream(camera, size));
    spec_.set(vector_stream(kState, 1));
    spec_.set(vector_stream(kEnvState, 2));
    spec_.action_dim = 1;
    for (std::size_t e = 0; e < lengths.size(); ++e) {
      EpisodeInfo info;
      info.file = folder / ("episode_" + std::to_string(e) + ".raw");
      info.length = lengths[e];
      std::ofstream file(info.file, std::ios::binary);
      file << "header:";
      for (std::size_t c = 0; c < cameras.size(); ++c) {
        at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1000 * (e + 1) + 10 * c);
        const at::Tensor frames = at::randint(0, 256, {lengths[e], size.height, size.width, 3},
                                              generator, at::TensorOptions(at::kByte));
        if (c < stored) {
          file.write(static_cast<const char*>(frames.const_data_ptr()),
                     static_cast<std::streamsize>(frames.nbytes()));
        }
        frames_.push_back(frames);
      }
      episodes_.push_back(info);
    }
  }

  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override { return static_cast<std::int64_t>(episodes_.size()); }
  const EpisodeInfo& episode(std::int64_t i) const override { return episodes_.at(size_t(i)); }

  at::Tensor read(std::int64_t e, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    const auto rows = [&](const at::Tensor& all) { return all.slice(0, first, first + count); };
    if (stream == kState) return rows(row_values(e));
    if (stream == kEnvState) return rows(at::cat({row_values(e), -row_values(e)}, 1));
    ++num_frame_calls;
    return rows(all_frames(e, stream));
  }
  at::Tensor actions(std::int64_t e) const override { return -row_values(e); }
  std::optional<FrameExtent> frame_extent(std::int64_t e, const std::string& camera,
                                          std::int64_t row) const override {
    const std::size_t c = camera_index(camera);
    if (c >= stored_) return std::nullopt;
    const ImageSize size = spec_.image_size(camera);
    const auto bytes = static_cast<std::uint64_t>(size.height * size.width * 3);
    const auto before = static_cast<std::uint64_t>(episode(e).length) * c;
    return FrameExtent{.file = episode(e).file,
                       .offset = 7 + (before + static_cast<std::uint64_t>(row)) * bytes};
  }
  const at::Tensor& all_frames(std::int64_t e, const std::string& camera) const {
    return frames_.at(static_cast<std::size_t>(e) * spec_.camera_names().size() +
                      camera_index(camera));
  }

  mutable std::atomic<int> num_frame_calls = 0;

 private:
  at::Tensor row_values(std::int64_t e) const {
    return (at::arange(episode(e).length, at::kFloat) + 100 * e).unsqueeze(1);
  }
  std::size_t camera_index(const std::string& camera) const {
    const std::vector<std::string> cameras = spec_.camera_names();
    const auto found = std::find(cameras.begin(), cameras.end(), camera);
    return static_cast<std::size_t>(found - cameras.begin());
  }

  ObservationSpec spec_;
  std::size_t stored_;
  std::vector<EpisodeInfo> episodes_;
  std::vector<at::Tensor> frames_;
};

// A temporary folder that is removed at the end of a test.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "roboimi_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  operator const std::filesystem::path&() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace roboimi
