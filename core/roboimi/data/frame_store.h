// A store of a dataset's image frames, memory-mapped and addressed by (episode, camera, row).
//
//   FrameStore store(dataset, {"front", "top"}, {.folder = cache_folder(*dataset)});
//   at::Tensor frame = store.frame({.episode = 3, .row = 17}, "front");  // uint8 [H, W, 3], a view
//   Observation images = store.gather(rows);                            // camera -> [N, H, W, 3]
//
// Frames that are stored uncompressed (Dataset::frame_extent) are mapped from the data files.
// FrameStorage sets where all others are kept. By default they are decoded once into a cache file,
// `frames-<fingerprint>.bin`, which is written atomically. Later stores map the same file if the
// dataset component and the data files (path, size, mtime) are the same.
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

// Where decoded frames are kept.
enum class FrameStorage {
  kDisk,    // in a cache file
  kMemory,  // in memory, decoded again by every store
  kStream,  // not kept: each frame is decoded when it is requested
};

struct FrameStoreOptions {
  std::filesystem::path folder;     // of the cache file; created if needed
  ComponentIdentity identity = {};  // of the dataset
  ProgressCallback progress = {};
  FrameStorage storage = FrameStorage::kDisk;
  std::function<bool()> should_stop = {};  // called between blocks; true: Interrupted
};

// The frames of a camera in an episode, which must be decoded.
struct DecodeTask {
  std::string camera;
  std::int64_t episode = 0;
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

  // One frame, [H, W, 3] or [H, W] in the stream's dtype. Except for kStream a view of mapped
  // memory, valid as long as the store. Do not write to it.
  at::Tensor frame(FrameIndex index, const std::string& camera) const;
  // Copies N frames of every camera, in parallel: camera -> [N, ...]. Successive rows of an episode
  // are decoded together. `pinned` allocates page-locked memory, for copies to a GPU.
  Observation gather(const std::vector<FrameIndex>& rows, bool pinned = false) const;

  // Number of frames that are mapped directly from the data files, and of all frames.
  std::int64_t num_mapped_in_place() const { return num_mapped_in_place_; }
  std::int64_t num_frames() const { return num_frames_; }

 private:
  struct CameraTable {
    StreamSpec stream;
    std::uint64_t frame_bytes = 0;
    std::vector<std::vector<const std::uint8_t*>> rows;  // [episode][row]; null: not in memory
  };
  // Receives decoded bytes, in the order of the tasks.
  using Sink = std::function<void(const void* bytes, std::size_t size)>;

  std::vector<DecodeTask> map_in_place();
  std::uint64_t bytes_of(const std::vector<DecodeTask>& tasks) const;
  void map_decoded(const std::vector<DecodeTask>& tasks, const FrameStoreOptions& options);
  void keep_decoded(const std::vector<DecodeTask>& tasks, const FrameStoreOptions& options);
  void decode(const std::vector<DecodeTask>& tasks, const Sink& sink,
              const FrameStoreOptions& options) const;
  void point_rows_at(const std::uint8_t* bytes, const std::vector<DecodeTask>& tasks);
  void copy_run(const std::vector<FrameIndex>& rows, std::int64_t first, std::int64_t count,
                const std::string& camera, std::uint8_t* destination) const;
  const MappedFile& mapping(const std::filesystem::path& file);
  const std::uint8_t* address(FrameIndex index, const CameraTable& table) const;

  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::string> cameras_;
  std::map<std::string, CameraTable> tables_;
  std::map<std::filesystem::path, std::unique_ptr<MappedFile>> mappings_;
  at::Tensor memory_;  // uint8, the decoded frames (kMemory)
  std::int64_t num_mapped_in_place_ = 0;
  std::int64_t num_frames_ = 0;
};

// The file in `options.folder` that a FrameStore of these cameras reads or writes; empty if all
// their frames are mapped from the data files.
ROBOIMI_EXPORT std::filesystem::path decoded_frames_file(const Dataset& dataset,
                                                         std::vector<std::string> cameras,
                                                         const FrameStoreOptions& options);

}  // namespace roboimi
