// A store of a dataset's image frames, memory-mapped and addressed by (episode, camera, row).
//
//   FrameStore store(dataset, {"front", "top"}, {.folder = cache_folder(*dataset)});
//   at::Tensor frame = store.frame({.episode = 3, .row = 17}, "front");  // uint8 [H, W, 3], a view
//   Observation images = store.gather(rows);                            // camera -> [N, H, W, 3]
//
// Frames that are stored uncompressed (Dataset::frame_extent) are mapped from the data files. All
// others are decoded once into a cache file, `frames-<fingerprint>.bin`, which is written
// atomically. Later stores map the same file if the dataset component and the data files (path,
// size, mtime) are the same.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/common/files.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/plugin/identity.h"

namespace roboimi {

// Reports the progress of a long preparation; called from the thread that does the work.
using ProgressCallback = std::function<void(std::int64_t done, std::int64_t total)>;

struct FrameIndex {
  std::int64_t episode = 0;
  std::int64_t row = 0;
  bool operator==(const FrameIndex&) const = default;
};

struct FrameStoreOptions {
  std::filesystem::path folder;     // of the cache file; created if needed
  ComponentIdentity identity = {};  // of the dataset
  ProgressCallback progress = {};
};

// Const members are safe to call from several threads at once.
class ROBOIMI_EXPORT FrameStore {
 public:
  // `cameras`: image streams of the dataset, RGB or depth.
  FrameStore(std::shared_ptr<const Dataset> dataset, std::vector<std::string> cameras,
             const FrameStoreOptions& options);
  ~FrameStore();
  FrameStore(const FrameStore&) = delete;
  FrameStore& operator=(const FrameStore&) = delete;

  // A view of mapped memory, [H, W, 3] or [H, W] in the stream's dtype, valid as long as the store.
  // Do not write to it.
  at::Tensor frame(FrameIndex index, const std::string& camera) const;
  // Copies N frames of every camera, in parallel: camera -> [N, ...].
  // `pinned` allocates page-locked memory, for copies to a GPU.
  Observation gather(const std::vector<FrameIndex>& rows, bool pinned = false) const;

  // Number of frames that are mapped directly from the data files, and of all frames.
  std::int64_t num_mapped_in_place() const { return num_mapped_in_place_; }
  std::int64_t num_frames() const { return num_frames_; }

 private:
  struct CameraTable {
    StreamSpec stream;
    std::uint64_t frame_bytes = 0;
    std::vector<std::vector<const std::uint8_t*>> rows;  // [episode][row]
  };
  struct DecodeTask {
    std::string camera;
    std::int64_t episode = 0;
  };

  std::vector<DecodeTask> map_in_place();
  void map_decoded(const std::vector<DecodeTask>& tasks, const FrameStoreOptions& options);
  void write_decoded(const std::vector<DecodeTask>& tasks, const std::filesystem::path& file,
                     const ProgressCallback& progress) const;
  const MappedFile& mapping(const std::filesystem::path& file);
  const std::uint8_t* address(FrameIndex index, const CameraTable& table) const;

  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::string> cameras_;
  std::map<std::string, CameraTable> tables_;
  std::map<std::filesystem::path, std::unique_ptr<MappedFile>> mappings_;
  std::int64_t num_mapped_in_place_ = 0;
  std::int64_t num_frames_ = 0;
};

}  // namespace roboimi
