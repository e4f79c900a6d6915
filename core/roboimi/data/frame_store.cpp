#include "roboimi/data/frame_store.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/data/binary_file.h"
#include "roboimi/data/cache_folder.h"
#include "roboimi/data/checked_reads.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRowsDecodedAtOnce = 32;

std::uint64_t bytes_of(const StreamSpec& stream) {
  std::uint64_t bytes = c10::elementSize(stream.dtype);
  for (const std::int64_t size : stream.shape) bytes *= static_cast<std::uint64_t>(size);
  return bytes;
}

std::vector<std::int64_t> shape_of(const StreamSpec& stream, std::int64_t count) {
  std::vector<std::int64_t> shape = {count};
  shape.insert(shape.end(), stream.shape.begin(), stream.shape.end());
  return shape;
}

}  // namespace

FrameStore::FrameStore(std::shared_ptr<const Dataset> dataset, std::vector<std::string> cameras,
                       const FrameStoreOptions& options)
    : dataset_(std::move(dataset)), cameras_(std::move(cameras)) {
  const ObservationSpec& spec = dataset_->spec();
  for (const std::string& camera : cameras_) {
    const StreamSpec* stream = spec.find(camera);
    if (stream == nullptr || !stream->is_image()) {
      throw Error({.what = "the dataset has no camera '" + camera + "'",
                   .next = "add it to data.camera_names"});
    }
    CameraTable& table = tables_[camera];
    table.stream = *stream;
    table.frame_bytes = bytes_of(*stream);
    for (std::int64_t episode = 0; episode < dataset_->num_episodes(); ++episode) {
      const std::int64_t length = dataset_->episode(episode).length;
      table.rows.emplace_back(static_cast<std::size_t>(length), nullptr);
      num_frames_ += length;
    }
  }
  const std::vector<DecodeTask> tasks = map_in_place();
  if (!tasks.empty()) map_decoded(tasks, options);
}

FrameStore::~FrameStore() = default;

const MappedFile& FrameStore::mapping(const fs::path& file) {
  std::unique_ptr<MappedFile>& mapped = mappings_[file];
  if (!mapped) mapped = std::make_unique<MappedFile>(file);
  return *mapped;
}

// Maps the rows that are stored uncompressed. If any row of a camera in an episode is not, the
// whole camera of that episode is returned as a task to decode.
std::vector<FrameStore::DecodeTask> FrameStore::map_in_place() {
  std::vector<DecodeTask> tasks;
  for (auto& [camera, table] : tables_) {
    const std::uint64_t bytes = table.frame_bytes;
    for (std::int64_t episode = 0; episode < dataset_->num_episodes(); ++episode) {
      auto& rows = table.rows[static_cast<std::size_t>(episode)];
      bool whole = true;
      for (std::size_t row = 0; row < rows.size() && whole; ++row) {
        const auto extent = dataset_->frame_extent(episode, camera, static_cast<std::int64_t>(row));
        if (!extent) {
          whole = false;
          break;
        }
        const MappedFile& mapped = mapping(extent->file);
        if (extent->offset > mapped.size() || mapped.size() - extent->offset < bytes) {
          throw Error({.what = "the file ends inside a frame of camera '" + camera + "'",
                       .where = extent->file.string(),
                       .expected = std::to_string(extent->offset + bytes) + " bytes",
                       .found = std::to_string(mapped.size()),
                       .next = "copy or record the file again"});
        }
        rows[row] = mapped.data() + extent->offset;
      }
      if (whole) {
        num_mapped_in_place_ += static_cast<std::int64_t>(rows.size());
      } else {
        tasks.push_back({.camera = camera, .episode = episode});
      }
    }
  }
  return tasks;
}

void FrameStore::map_decoded(const std::vector<DecodeTask>& tasks,
                             const FrameStoreOptions& options) {
  // The cache file's key and size.
  Sha256 key;
  key.update_text("frames 2").update_text(data_fingerprint(*dataset_, false));
  key.update_text(options.identity.component).update_text(options.identity.build);
  key.update_text(options.identity.options);
  std::uint64_t total = 0;
  for (const DecodeTask& task : tasks) {
    key.update_text(task.camera).update_text(std::to_string(task.episode));
    total += tables_.at(task.camera).frame_bytes *
             static_cast<std::uint64_t>(dataset_->episode(task.episode).length);
  }
  // Decode, unless the file exists.
  std::error_code error;
  fs::create_directories(options.folder, error);
  const fs::path file = options.folder / ("frames-" + key.hex().substr(0, 32) + ".bin");
  if (!fs::exists(file)) {
    const ProcessLock lock = lock_cached_file(file);
    if (!fs::exists(file)) write_decoded(tasks, file, options.progress);
  }
  const MappedFile& mapped = mapping(file);
  if (mapped.size() != total) {
    throw Error({.what = "the cache of decoded frames has the wrong size",
                 .where = file.string(),
                 .expected = std::to_string(total) + " bytes",
                 .found = std::to_string(mapped.size()),
                 .next = "delete it; it will be rebuilt"});
  }
  // Point the rows into the mapping.
  const std::uint8_t* next = mapped.data();
  for (const DecodeTask& task : tasks) {
    CameraTable& table = tables_.at(task.camera);
    for (const std::uint8_t*& row : table.rows[static_cast<std::size_t>(task.episode)]) {
      row = next;
      next += table.frame_bytes;
    }
  }
}

void FrameStore::write_decoded(const std::vector<DecodeTask>& tasks, const fs::path& file,
                               const ProgressCallback& progress) const {
  std::int64_t total = 0;
  for (const DecodeTask& task : tasks) total += dataset_->episode(task.episode).length;
  write_file_atomically(file, [&](const fs::path& temporary) {
    BinaryFile out(temporary);
    std::int64_t done = 0;
    for (const DecodeTask& task : tasks) {
      const std::int64_t length = dataset_->episode(task.episode).length;
      for (std::int64_t row = 0; row < length; row += kRowsDecodedAtOnce) {
        const std::int64_t count = std::min(kRowsDecodedAtOnce, length - row);
        const at::Tensor frames =
            read_stream(*dataset_, task.episode, task.camera, row, count).contiguous();
        out.append(frames.data_ptr(), static_cast<std::size_t>(frames.nbytes()));
        done += count;
        if (progress) progress(done, total);
      }
    }
  });
}

const std::uint8_t* FrameStore::address(FrameIndex index, const CameraTable& table) const {
  ROBOIMI_CHECK(index.episode >= 0 && index.row >= 0 &&
                    index.episode < static_cast<std::int64_t>(table.rows.size()) &&
                    index.row < static_cast<std::int64_t>(
                                    table.rows[static_cast<std::size_t>(index.episode)].size()),
                c10::str("episode ", index.episode, ", row ", index.row));
  return table.rows[static_cast<std::size_t>(index.episode)][static_cast<std::size_t>(index.row)];
}

at::Tensor FrameStore::frame(FrameIndex index, const std::string& camera) const {
  const CameraTable& table = tables_.at(camera);
  // from_blob takes a non-const pointer; the mapping itself is read-only.
  return at::from_blob(const_cast<std::uint8_t*>(address(index, table)), table.stream.shape,
                       table.stream.dtype);
}

Observation FrameStore::gather(const std::vector<FrameIndex>& rows, bool pinned) const {
  const auto count = static_cast<std::int64_t>(rows.size());
  Observation images;
  for (const auto& [camera, table] : tables_) {
    const at::Tensor gathered = at::empty(
        shape_of(table.stream, count), at::TensorOptions(table.stream.dtype).pinned_memory(pinned));
    auto* const destination = static_cast<std::uint8_t*>(gathered.data_ptr());
    const std::uint64_t bytes = table.frame_bytes;
    at::parallel_for(0, count, 1, [&, &camera_table = table](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        std::memcpy(destination + static_cast<std::uint64_t>(i) * bytes,
                    address(rows[static_cast<std::size_t>(i)], camera_table), bytes);
      }
    });
    images.emplace(camera, gathered);
  }
  return images;
}

}  // namespace roboimi
