// Hdf5File: storage of a dataset's values, such as chunks, filters and external files.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "plugins/hdf5_dataset/hdf5_file.h"
#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

std::vector<hsize_t> chunk_of(hid_t creation, std::size_t rank) {
  std::vector<hsize_t> chunk(rank);
  H5Pget_chunk(creation, static_cast<int>(rank), chunk.data());
  return chunk;
}

// The file that contains an identifier's object.
fs::path file_of(hid_t object) {
  const ssize_t size = H5Fget_name(object, nullptr, 0);
  std::string name(static_cast<std::size_t>(std::max<ssize_t>(size, 0)), '\0');
  if (size > 0) H5Fget_name(object, name.data(), name.size() + 1);
  return name;
}

// Resolves a file name as HDF5 does: relative to the file that contains it, then to the current
// folder.
fs::path resolved(const fs::path& folder, const fs::path& name) {
  const fs::path beside = folder / name;
  return !fs::exists(beside) && fs::exists(name) ? fs::absolute(name) : beside;
}

// The source files of a virtual dataset.
std::vector<fs::path> virtual_sources(hid_t creation, const fs::path& folder) {
  std::vector<fs::path> sources;
  std::size_t count = 0;
  if (H5Pget_virtual_count(creation, &count) < 0) return sources;
  for (std::size_t i = 0; i < count; ++i) {
    const ssize_t size = H5Pget_virtual_filename(creation, i, nullptr, 0);
    if (size <= 0) continue;
    std::string name(static_cast<std::size_t>(size), '\0');
    H5Pget_virtual_filename(creation, i, name.data(), name.size() + 1);
    // "." is the file itself. A pattern ("%b") names no single file.
    if (name == "." || name.find('%') != std::string::npos) continue;
    sources.push_back(resolved(folder, name));
  }
  return sources;
}

// The raw files of a dataset with external storage.
std::vector<fs::path> external_files(hid_t creation, const fs::path& folder) {
  std::vector<fs::path> files;
  const int count = std::max(H5Pget_external_count(creation), 0);
  for (int i = 0; i < count; ++i) {
    std::array<char, 4096> name{};
    off_t offset = 0;
    hsize_t size = 0;
    if (H5Pget_external(creation, static_cast<unsigned>(i), name.size() - 1, name.data(), &offset,
                        &size) >= 0) {
      files.push_back(resolved(folder, name.data()));
    }
  }
  return files;
}

// The number of chunks in the file. Nothing if their index is damaged.
std::optional<hsize_t> num_stored_chunks(hid_t dataset) {
  const Handle all(H5Dget_space(dataset));
  hsize_t count = 0;
  if (H5Dget_num_chunks(dataset, all.get(), &count) < 0) return std::nullopt;
  return count;
}

struct StoredChunk {
  haddr_t address = HADDR_UNDEF;
  hsize_t bytes = 0;
};

// The chunks of a dataset whose chunks hold whole rows, in the order of their rows; empty unless
// all are stored.
std::vector<StoredChunk> stored_chunks(hid_t dataset, const std::vector<hsize_t>& sizes,
                                       hsize_t chunk_rows) {
  const hsize_t expected = (sizes[0] + chunk_rows - 1) / chunk_rows;
  if (num_stored_chunks(dataset) != expected) return {};
  struct Chunks {
    hsize_t rows;  // of each
    std::vector<StoredChunk> found;
  } chunks{.rows = chunk_rows, .found = std::vector<StoredChunk>(expected)};
#if H5_VERSION_GE(1, 14, 0)
  const auto add = [](const hsize_t* corner, unsigned, haddr_t address, hsize_t bytes,
                      void* data) -> int {
    auto& to = *static_cast<Chunks*>(data);
    const hsize_t index = corner[0] / to.rows;
    if (index < to.found.size()) to.found[index] = {.address = address, .bytes = bytes};
    return H5_ITER_CONT;
  };
  if (H5Dchunk_iter(dataset, H5P_DEFAULT, add, &chunks) < 0) return {};
#else
  // No function of HDF5 1.10 gives the addresses of all chunks at once: each call walks to its
  // chunk.
  std::vector<hsize_t> corner(sizes.size(), 0);
  for (StoredChunk& chunk : chunks.found) {
    unsigned filters = 0;
    if (H5Dget_chunk_info_by_coord(dataset, corner.data(), &filters, &chunk.address, &chunk.bytes) <
        0) {
      return {};
    }
    corner[0] += chunk_rows;
  }
#endif
  return chunks.found;
}

// Row offsets of a dataset whose chunks hold whole rows; empty for other chunks.
std::vector<std::uint64_t> chunked_offsets(hid_t dataset, hid_t creation,
                                           const std::vector<hsize_t>& sizes,
                                           std::uint64_t row_bytes) {
  const std::vector<hsize_t> chunk = chunk_of(creation, sizes.size());
  if (!std::equal(chunk.begin() + 1, chunk.end(), sizes.begin() + 1)) return {};
  std::vector<std::uint64_t> offsets;
  for (const StoredChunk& stored : stored_chunks(dataset, sizes, chunk[0])) {
    if (stored.address == HADDR_UNDEF || stored.bytes != chunk[0] * row_bytes) return {};
    for (hsize_t row = 0; row < chunk[0] && offsets.size() < sizes[0]; ++row) {
      offsets.push_back(stored.address + row * row_bytes);
    }
  }
  return offsets;
}

bool reads_first_row(hid_t dataset) {
  std::vector<hsize_t> count = extents(dataset);
  if (count.empty()) return false;
  count[0] = std::min<hsize_t>(count[0], 1);
  const std::vector<hsize_t> start(count.size(), 0);
  const Handle type(H5Dget_type(dataset));
  const Handle space(H5Dget_space(dataset));
  const Handle memory(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr));
  const hssize_t size = H5Sget_simple_extent_npoints(memory.get());
  std::vector<std::byte> row(static_cast<std::size_t>(std::max<hssize_t>(size, 0)) *
                             H5Tget_size(type.get()));
  return H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(),
                             nullptr) >= 0 &&
         H5Dread(dataset, type.get(), memory.get(), space.get(), H5P_DEFAULT, row.data()) >= 0;
}

// "3 of 12 chunks" if some were never written; empty if all were. `written`: the chunks in the
// file.
std::string written_part(hid_t dataset, hid_t creation, hsize_t written) {
  const std::vector<hsize_t> sizes = extents(dataset);
  H5D_space_status_t status = H5D_SPACE_STATUS_ERROR;
  if (H5Dget_space_status(dataset, &status) < 0) return "";
  const bool has_values = std::find(sizes.begin(), sizes.end(), 0) == sizes.end();
  if (status == H5D_SPACE_STATUS_NOT_ALLOCATED) return has_values ? "nothing" : "";

  // Compares the number of chunks in the file with the number that the shape needs.
  if (H5Pget_layout(creation) != H5D_CHUNKED || sizes.empty()) return "";
  const std::vector<hsize_t> chunk = chunk_of(creation, sizes.size());
  hsize_t expected = 1;
  for (std::size_t i = 0; i < sizes.size(); ++i) expected *= (sizes[i] + chunk[i] - 1) / chunk[i];
  if (written >= expected) return "";
  return fmt::format("{} of {} chunks", written, expected);
}

}  // namespace

void Hdf5File::check_readable(const std::string& name) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const Handle creation(H5Dget_create_plist(dataset.get()));
  const std::string where = fmt::format("{}: {}", path_.string(), name);

  // A missing filter does no harm if the writer skipped it as well, so a row is read.
  if (!missing_filters(dataset.get()).empty() && !reads_first_row(dataset.get())) {
    fail("cannot read", name);
  }

  // Source files must exist.
  for (const fs::path& source : other_files(name)) {
    if (fs::exists(source)) continue;
    throw Error({.what = "the dataset refers to a file that is missing",
                 .where = where,
                 .expected = source.string(),
                 .next = "copy that file as well"});
  }

  // All chunks must have been written, and be found.
  const bool has_chunks = H5Pget_layout(creation.get()) == H5D_CHUNKED;
  const auto num_chunks = has_chunks ? num_stored_chunks(dataset.get()) : std::optional<hsize_t>(0);
  if (!num_chunks) {
    throw Error({.what = "cannot read the index of the chunks",
                 .where = where,
                 .next = "the file may be damaged: record or copy the episode again"});
  }
  const std::string written = written_part(dataset.get(), creation.get(), *num_chunks);
  if (H5Pget_layout(creation.get()) != H5D_VIRTUAL && !written.empty()) {
    throw Error({.what = "parts of the dataset were never written, and would be read as zeros",
                 .where = where,
                 .expected = describe(name),
                 .found = written + " written",
                 .next = "its recorder ended early: remove the episode, or cut all its datasets "
                         "to the rows that were written"});
  }
}

std::vector<fs::path> Hdf5File::other_files(const std::string& name) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const Handle creation(H5Dget_create_plist(dataset.get()));
  std::vector<fs::path> files;
  const fs::path own = file_of(dataset.get());
  if (own != file_of(file_.get())) files.push_back(own);
  for (const fs::path& file : virtual_sources(creation.get(), own.parent_path())) {
    files.push_back(file);
  }
  for (const fs::path& file : external_files(creation.get(), own.parent_path())) {
    files.push_back(file);
  }
  return files;
}

std::vector<std::uint64_t> Hdf5File::row_offsets(const std::string& name) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const Handle creation(H5Dget_create_plist(dataset.get()));

  // Only plain uint8 rows in this file have offsets.
  const Handle file_creation(H5Fget_create_plist(file_.get()));
  hsize_t user_block = 0;
  H5Pget_userblock(file_creation.get(), &user_block);
  const std::vector<hsize_t> sizes = extents(dataset.get());
  if (user_block != 0 || sizes.empty() || type(name).kind != ElementKind::kUint8 ||
      H5Pget_nfilters(creation.get()) != 0 || !other_files(name).empty()) {
    return {};
  }

  // Offsets from the chunks, or from the start of a contiguous dataset.
  std::uint64_t row_bytes = 1;
  for (std::size_t i = 1; i < sizes.size(); ++i) row_bytes *= sizes[i];
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  if (layout == H5D_CHUNKED) {
    return chunked_offsets(dataset.get(), creation.get(), sizes, row_bytes);
  }
  const haddr_t start = layout == H5D_CONTIGUOUS ? H5Dget_offset(dataset.get()) : HADDR_UNDEF;
  std::vector<std::uint64_t> offsets;
  if (start == HADDR_UNDEF) return offsets;
  for (hsize_t row = 0; row < sizes[0]; ++row) offsets.push_back(start + row * row_bytes);
  return offsets;
}

}  // namespace roboimi::hdf5_dataset
