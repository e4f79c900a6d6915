#include "plugins/hdf5_dataset/hdf5_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

herr_t keep_innermost(unsigned depth, const H5E_error2_t* error, void* text) {
  if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

herr_t append_name(hid_t, const char* name, const H5L_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

std::vector<hsize_t> extents(const Handle& dataset) {
  const Handle space(H5Dget_space(dataset.get()));
  const int rank = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> sizes(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
  return sizes;
}

// Row offsets of a dataset in chunks of whole rows.
std::vector<std::uint64_t> chunked_offsets(const Handle& dataset, const Handle& creation,
                                           const std::vector<hsize_t>& sizes,
                                           std::uint64_t row_bytes) {
  std::vector<hsize_t> chunk(sizes.size());
  H5Pget_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data());
  if (!std::equal(chunk.begin() + 1, chunk.end(), sizes.begin() + 1)) return {};
  std::vector<std::uint64_t> offsets;
  std::vector<hsize_t> corner(sizes.size(), 0);
  for (corner[0] = 0; corner[0] < sizes[0]; corner[0] += chunk[0]) {
    unsigned filters = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t bytes = 0;
    if (H5Dget_chunk_info_by_coord(dataset.get(), corner.data(), &filters, &address, &bytes) < 0 ||
        address == HADDR_UNDEF || bytes != chunk[0] * row_bytes) {
      return {};
    }
    for (hsize_t row = 0; row < chunk[0] && corner[0] + row < sizes[0]; ++row) {
      offsets.push_back(address + row * row_bytes);
    }
  }
  return offsets;
}

}  // namespace

Hdf5Lock::Hdf5Lock() : lock_(library_mutex()) { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::string last_hdf5_message() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &text);
  return text.empty() ? "unknown HDF5 error" : text;
}

Hdf5File::Hdf5File(const fs::path& path) : path_(path) {
  const Hdf5Lock lock;
  if (!fs::is_regular_file(path)) {
    throw Error({.what = fs::exists(path) ? "not a file" : "no such file",
                 .where = path.string(),
                 .expected = "an HDF5 file of one episode"});
  }
  const Handle access(H5Pcreate(H5P_FILE_ACCESS));
  // Some network file systems refuse locks, and reading needs none.
  H5Pset_file_locking(access.get(), false, true);
  file_ = Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
  if (file_) return;
  const std::string reason = last_hdf5_message();
  throw Error({.what = "cannot open as HDF5: " + reason,
               .where = path.string(),
               .expected = "a whole HDF5 file",
               .found = std::to_string(fs::file_size(path)) + " bytes",
               .next = "remove the file, and record or copy the episode again"});
}

Hdf5File::~Hdf5File() {
  const Hdf5Lock lock;
  file_ = Handle();
}

void Hdf5File::fail(const std::string& what, const std::string& name) const {
  throw Error({.what = what + ": " + last_hdf5_message(),
               .where = path_.string() + ": " + name,
               .next = "the file may be damaged: record or copy the episode again"});
}

bool Hdf5File::has(const std::string& name) const {
  const Hdf5Lock lock;
  // Every group on the way must be asked for.
  for (std::size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    if (H5Lexists(file_.get(), name.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
    if (end == std::string::npos) return true;
  }
}

std::vector<std::string> Hdf5File::children(const std::string& group) const {
  const Hdf5Lock lock;
  std::vector<std::string> names;
  if (!has(group)) return names;
  H5Literate_by_name(file_.get(), group.c_str(), H5_INDEX_NAME, H5_ITER_INC, nullptr, append_name,
                     &names, H5P_DEFAULT);
  return names;
}

Handle Hdf5File::open(const std::string& name) const {
  if (!has(name)) {
    throw Error({.what = "the file has no '" + name + "'",
                 .where = path_.string(),
                 .expected = "ACT's layout: /observations/qpos, /observations/images/CAMERA, "
                             "/action"});
  }
  Handle dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT));
  if (!dataset) fail("cannot open", name);
  return dataset;
}

std::vector<std::int64_t> Hdf5File::shape(const std::string& name) const {
  const Hdf5Lock lock;
  const std::vector<hsize_t> sizes = extents(open(name));
  return {sizes.begin(), sizes.end()};
}

bool Hdf5File::is_uint8(const std::string& name) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const Handle type(H5Dget_type(dataset.get()));
  return H5Tequal(type.get(), H5T_NATIVE_UINT8) > 0;
}

at::Tensor Hdf5File::read_floats(const std::string& name) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const std::vector<hsize_t> sizes = extents(dataset);
  const at::Tensor values =
      at::empty(std::vector<std::int64_t>(sizes.begin(), sizes.end()), at::kFloat);
  if (H5Dread(dataset.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data_ptr()) <
      0) {
    fail("cannot read numbers", name);
  }
  return values;
}

at::Tensor Hdf5File::read_bytes(const std::string& name, std::int64_t first,
                                std::int64_t count) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  std::vector<hsize_t> sizes = extents(dataset);
  std::vector<hsize_t> start(sizes.size(), 0);
  start[0] = static_cast<hsize_t>(first);
  sizes[0] = static_cast<hsize_t>(count);
  const Handle space(H5Dget_space(dataset.get()));
  const Handle memory(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr));
  const at::Tensor values =
      at::empty(std::vector<std::int64_t>(sizes.begin(), sizes.end()), at::kByte);
  if (H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, sizes.data(),
                          nullptr) < 0 ||
      H5Dread(dataset.get(), H5T_NATIVE_UINT8, memory.get(), space.get(), H5P_DEFAULT,
              values.data_ptr()) < 0) {
    fail("cannot read", name);
  }
  return values;
}

std::vector<std::vector<std::uint8_t>> Hdf5File::read_variable_bytes(const std::string& name,
                                                                     std::int64_t first,
                                                                     std::int64_t count) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const auto start = static_cast<hsize_t>(first);
  const auto size = static_cast<hsize_t>(count);
  const Handle space(H5Dget_space(dataset.get()));
  const Handle memory(H5Screate_simple(1, &size, nullptr));
  const Handle type(H5Tvlen_create(H5T_NATIVE_UINT8));
  std::vector<hvl_t> rows(static_cast<std::size_t>(count));
  if (H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &start, nullptr, &size, nullptr) < 0 ||
      H5Dread(dataset.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, rows.data()) < 0) {
    fail("cannot read", name);
  }
  std::vector<std::vector<std::uint8_t>> bytes;
  for (const hvl_t& row : rows) {
    const auto* data = static_cast<const std::uint8_t*>(row.p);
    bytes.emplace_back(data, data + row.len);
  }
  H5Dvlen_reclaim(type.get(), memory.get(), H5P_DEFAULT, rows.data());
  return bytes;
}

std::vector<std::uint64_t> Hdf5File::row_offsets(const std::string& name) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const Handle creation(H5Dget_create_plist(dataset.get()));
  const Handle file_creation(H5Fget_create_plist(file_.get()));
  hsize_t user_block = 0;
  H5Pget_userblock(file_creation.get(), &user_block);
  const std::vector<hsize_t> sizes = extents(dataset);
  if (user_block != 0 || sizes.empty() || !is_uint8(name) || H5Pget_nfilters(creation.get()) != 0 ||
      H5Pget_external_count(creation.get()) != 0) {
    return {};
  }
  std::uint64_t row_bytes = 1;
  for (std::size_t i = 1; i < sizes.size(); ++i) row_bytes *= sizes[i];
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  if (layout == H5D_CHUNKED) return chunked_offsets(dataset, creation, sizes, row_bytes);
  const haddr_t start = layout == H5D_CONTIGUOUS ? H5Dget_offset(dataset.get()) : HADDR_UNDEF;
  std::vector<std::uint64_t> offsets;
  if (start == HADDR_UNDEF) return offsets;
  for (hsize_t row = 0; row < sizes[0]; ++row) offsets.push_back(start + row * row_bytes);
  return offsets;
}

std::optional<Handle> Hdf5File::open_attribute(const std::string& name) const {
  if (H5Aexists(file_.get(), name.c_str()) <= 0) return std::nullopt;
  Handle attribute(H5Aopen(file_.get(), name.c_str(), H5P_DEFAULT));
  if (!attribute) fail("cannot open the attribute", name);
  // A list would be written behind the one number that the caller has room for.
  const Handle space(H5Aget_space(attribute.get()));
  if (H5Sget_simple_extent_npoints(space.get()) != 1) {
    throw Error(
        {.what = "the attribute '" + name + "' is not one number", .where = path_.string()});
  }
  return attribute;
}

std::optional<std::uint64_t> Hdf5File::integer_attribute(const std::string& name) const {
  const Hdf5Lock lock;
  const auto attribute = open_attribute(name);
  if (!attribute) return std::nullopt;
  std::uint64_t value = 0;
  if (H5Aread(attribute->get(), H5T_NATIVE_UINT64, &value) < 0) {
    fail("cannot read the attribute as an integer", name);
  }
  return value;
}

std::optional<double> Hdf5File::number_attribute(const std::string& name) const {
  const Hdf5Lock lock;
  const auto attribute = open_attribute(name);
  if (!attribute) return std::nullopt;
  double value = 0;
  if (H5Aread(attribute->get(), H5T_NATIVE_DOUBLE, &value) < 0) {
    fail("cannot read the attribute as a number", name);
  }
  return value;
}

}  // namespace roboimi::hdf5_dataset
