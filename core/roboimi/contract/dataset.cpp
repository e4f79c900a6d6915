#include "roboimi/contract/dataset.h"

#include "roboimi/contract/episode_writer.h"

namespace roboimi {

Dataset::~Dataset() = default;

EpisodeWriter::~EpisodeWriter() = default;

void EpisodeWriter::place(const std::filesystem::path& written, const std::filesystem::path& folder,
                          std::int64_t index) const {
  std::filesystem::rename(written, file_of(folder, index));
}

std::map<std::string, at::Tensor> Dataset::labels(std::int64_t) const { return {}; }

std::optional<FrameExtent> Dataset::frame_extent(std::int64_t, const std::string&,
                                                 std::int64_t) const {
  return std::nullopt;
}

std::vector<std::filesystem::path> Dataset::files() const {
  std::vector<std::filesystem::path> files;
  for (std::int64_t i = 0; i < num_episodes(); ++i) files.push_back(episode(i).file);
  return files;
}

at::Tensor Dataset::read_all(std::int64_t index, const std::string& stream) const {
  return read(index, stream, 0, episode(index).length);
}

at::Tensor Dataset::state(std::int64_t index) const {
  return spec().find(kState) == nullptr ? at::Tensor() : read_all(index, kState);
}

at::Tensor Dataset::env_state(std::int64_t index) const {
  return spec().find(kEnvState) == nullptr ? at::Tensor() : read_all(index, kEnvState);
}

}  // namespace roboimi
