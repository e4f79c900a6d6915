#include "roboimi/data/frame_store.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/memory.h"
#include "roboimi/data/binary_file.h"
#include "roboimi/data/cache_folder.h"
#include "roboimi/data/checked_reads.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRowsDecodedAtOnce = 32;

std::uint64_t frame_bytes_of(const StreamSpec& stream) {
  std::uint64_t bytes = c10::elementSize(stream.dtype);
  for (const std::int64_t size : stream.shape) bytes *= static_cast<std::uint64_t>(size);
  return bytes;
}

std::vector<std::int64_t> shape_of(const StreamSpec& stream, std::int64_t count) {
  std::vector<std::int64_t> shape = {count};
  shape.insert(shape.end(), stream.shape.begin(), stream.shape.end());
  return shape;
}

// The indices at which runs of successive rows of one episode begin, and the number of rows.
std::vector<std::int64_t> run_starts(const std::vector<FrameIndex>& rows) {
  std::vector<std::int64_t> starts;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool continues =
        i > 0 && rows[i].episode == rows[i - 1].episode && rows[i].row == rows[i - 1].row + 1;
    if (!continues) starts.push_back(static_cast<std::int64_t>(i));
  }
  starts.push_back(static_cast<std::int64_t>(rows.size()));
  return starts;
}

// Where the frames of a camera in an episode are stored; nullopt if any must be decoded.
std::optional<std::vector<FrameExtent>> extents_of(const Dataset& dataset, std::int64_t episode,
                                                   const std::string& camera) {
  std::vector<FrameExtent> extents;
  for (std::int64_t row = 0; row < dataset.episode(episode).length; ++row) {
    const auto extent = dataset.frame_extent(episode, camera, row);
    if (!extent) return std::nullopt;
    extents.push_back(*extent);
  }
  return extents;
}

fs::path file_of(const std::vector<DecodeTask>& tasks, const Dataset& dataset,
                 const FrameStoreOptions& options) {
  Sha256 key;
  key.update_text("frames 2").update_text(data_fingerprint(dataset, false));
  key.update_text(options.identity.component).update_text(options.identity.build);
  key.update_text(options.identity.options);
  for (const DecodeTask& task : tasks) {
    key.update_text(task.camera).update_text(std::to_string(task.episode));
  }
  return options.folder / ("frames-" + key.hex().substr(0, 32) + ".bin");
}

}  // namespace

fs::path decoded_frames_file(const Dataset& dataset, std::vector<std::string> cameras,
                             const FrameStoreOptions& options) {
  std::ranges::sort(cameras);
  std::vector<DecodeTask> tasks;
  for (const std::string& camera : cameras) {
    for (std::int64_t episode = 0; episode < dataset.num_episodes(); ++episode) {
      if (!extents_of(dataset, episode, camera)) {
        tasks.push_back({.camera = camera, .episode = episode});
      }
    }
  }
  return tasks.empty() ? fs::path() : file_of(tasks, dataset, options);
}

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
    table.frame_bytes = frame_bytes_of(*stream);
    for (std::int64_t episode = 0; episode < dataset_->num_episodes(); ++episode) {
      const std::int64_t length = dataset_->episode(episode).length;
      table.rows.emplace_back(static_cast<std::size_t>(length), nullptr);
      num_frames_ += length;
    }
  }
  const std::vector<DecodeTask> tasks = map_in_place();
  if (tasks.empty()) return;
  if (options.storage == FrameStorage::kDisk) map_decoded(tasks, options);
  if (options.storage == FrameStorage::kMemory) keep_decoded(tasks, options);
}

FrameStore::~FrameStore() = default;

const MappedFile& FrameStore::mapping(const fs::path& file) {
  std::unique_ptr<MappedFile>& mapped = mappings_[file];
  if (!mapped) mapped = std::make_unique<MappedFile>(file);
  return *mapped;
}

// Maps the rows that are stored uncompressed. If any row of a camera in an episode is not, the
// whole camera of that episode is returned as a task to decode.
std::vector<DecodeTask> FrameStore::map_in_place() {
  std::vector<DecodeTask> tasks;
  for (auto& [camera, table] : tables_) {
    const std::uint64_t bytes = table.frame_bytes;
    for (std::int64_t episode = 0; episode < dataset_->num_episodes(); ++episode) {
      const auto extents = extents_of(*dataset_, episode, camera);
      if (!extents) {
        tasks.push_back({.camera = camera, .episode = episode});
        continue;
      }
      auto& rows = table.rows[static_cast<std::size_t>(episode)];
      for (std::size_t row = 0; row < rows.size(); ++row) {
        const FrameExtent& extent = (*extents)[row];
        const MappedFile& mapped = mapping(extent.file);
        if (extent.offset > mapped.size() || mapped.size() - extent.offset < bytes) {
          throw Error({.what = "the file ends inside a frame of camera '" + camera + "'",
                       .where = extent.file.string(),
                       .expected = std::to_string(extent.offset + bytes) + " bytes",
                       .found = std::to_string(mapped.size()),
                       .next = "copy or record the file again"});
        }
        rows[row] = mapped.data() + extent.offset;
      }
      num_mapped_in_place_ += static_cast<std::int64_t>(rows.size());
    }
  }
  return tasks;
}

std::uint64_t FrameStore::bytes_of(const std::vector<DecodeTask>& tasks) const {
  std::uint64_t total = 0;
  for (const DecodeTask& task : tasks) {
    total += tables_.at(task.camera).frame_bytes *
             static_cast<std::uint64_t>(dataset_->episode(task.episode).length);
  }
  return total;
}

void FrameStore::map_decoded(const std::vector<DecodeTask>& tasks,
                             const FrameStoreOptions& options) {
  // The cache file and its size.
  const fs::path file = file_of(tasks, *dataset_, options);
  const std::uint64_t total = bytes_of(tasks);
  // Decode, unless the file exists.
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (!fs::exists(file)) {
    const ProcessLock lock = lock_cached_file(file, options.should_stop);
    if (!fs::exists(file)) {
      write_file_atomically(file, [&](const fs::path& temporary) {
        BinaryFile out(temporary);
        decode(
            tasks, [&](const void* bytes, std::size_t size) { out.append(bytes, size); }, options);
        out.sync();
      });
    }
  }
  const MappedFile& mapped = mapping(file);
  if (mapped.size() != total) {
    throw Error({.what = "the cache of decoded frames has the wrong size",
                 .where = file.string(),
                 .expected = std::to_string(total) + " bytes",
                 .found = std::to_string(mapped.size()),
                 .next = "delete it; it will be rebuilt"});
  }
  point_rows_at(mapped.data(), tasks);
}

void FrameStore::keep_decoded(const std::vector<DecodeTask>& tasks,
                              const FrameStoreOptions& options) {
  const std::uint64_t total = bytes_of(tasks);
  require_memory(static_cast<double>(total), "the decoded frames", "cache.frames=memory",
                 "use cache.frames=disk or cache.frames=stream");
  memory_ = at::empty({static_cast<std::int64_t>(total)}, at::kByte);
  auto* next = memory_.data_ptr<std::uint8_t>();
  decode(
      tasks,
      [&](const void* bytes, std::size_t size) {
        std::memcpy(next, bytes, size);
        next += size;
      },
      options);
  point_rows_at(memory_.const_data_ptr<std::uint8_t>(), tasks);
}

void FrameStore::decode(const std::vector<DecodeTask>& tasks, const Sink& sink,
                        const FrameStoreOptions& options) const {
  std::int64_t total = 0, done = 0;
  for (const DecodeTask& task : tasks) total += dataset_->episode(task.episode).length;
  for (const DecodeTask& task : tasks) {
    const std::int64_t length = dataset_->episode(task.episode).length;
    for (std::int64_t row = 0; row < length; row += kRowsDecodedAtOnce) {
      if (options.should_stop && options.should_stop()) {
        throw Interrupted({.what = "interrupted after " + std::to_string(done) + " of " +
                                   std::to_string(total) + " frames",
                           .where = "decoding of the dataset's frames",
                           .next = "run the same command again to decode all of them"});
      }
      const std::int64_t count = std::min(kRowsDecodedAtOnce, length - row);
      const at::Tensor frames =
          read_stream(*dataset_, task.episode, task.camera, row, count).contiguous();
      sink(frames.const_data_ptr(), static_cast<std::size_t>(frames.nbytes()));
      done += count;
      if (options.progress) options.progress(done, total);
    }
  }
}

// Sets the addresses of the tasks' rows, whose frames are stored one after another at `bytes`.
void FrameStore::point_rows_at(const std::uint8_t* bytes, const std::vector<DecodeTask>& tasks) {
  for (const DecodeTask& task : tasks) {
    CameraTable& table = tables_.at(task.camera);
    for (const std::uint8_t*& row : table.rows[static_cast<std::size_t>(task.episode)]) {
      row = bytes;
      bytes += table.frame_bytes;
    }
  }
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
  const std::uint8_t* const bytes = address(index, table);
  if (bytes == nullptr) return read_stream(*dataset_, index.episode, camera, index.row, 1)[0];
  // from_blob takes a non-const pointer; the mapping itself is read-only.
  return at::from_blob(const_cast<std::uint8_t*>(bytes), table.stream.shape, table.stream.dtype);
}

// Copies `count` successive rows of one episode, beginning with rows[first].
void FrameStore::copy_run(const std::vector<FrameIndex>& rows, std::int64_t first,
                          std::int64_t count, const std::string& camera,
                          std::uint8_t* destination) const {
  const CameraTable& table = tables_.at(camera);
  const FrameIndex& start = rows[static_cast<std::size_t>(first)];
  if (address(start, table) == nullptr) {
    const at::Tensor frames =
        read_stream(*dataset_, start.episode, camera, start.row, count).contiguous();
    std::memcpy(destination, frames.const_data_ptr(), static_cast<std::size_t>(frames.nbytes()));
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const FrameIndex& row = rows[static_cast<std::size_t>(first + i)];
    std::memcpy(destination + static_cast<std::uint64_t>(i) * table.frame_bytes,
                address(row, table), table.frame_bytes);
  }
}

Observation FrameStore::gather(const std::vector<FrameIndex>& rows, bool pinned) const {
  const auto count = static_cast<std::int64_t>(rows.size());
  const std::vector<std::int64_t> runs = run_starts(rows);
  Observation images;
  for (const auto& [camera, table] : tables_) {
    const at::Tensor gathered = at::empty(
        shape_of(table.stream, count), at::TensorOptions(table.stream.dtype).pinned_memory(pinned));
    auto* const destination = static_cast<std::uint8_t*>(gathered.data_ptr());
    const std::uint64_t bytes = table.frame_bytes;
    at::parallel_for(0, std::ssize(runs) - 1, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = runs[static_cast<std::size_t>(i)];
        copy_run(rows, first, runs[static_cast<std::size_t>(i) + 1] - first, camera,
                 destination + static_cast<std::uint64_t>(first) * bytes);
      }
    });
    images.emplace(camera, gathered);
  }
  return images;
}

}  // namespace roboimi
