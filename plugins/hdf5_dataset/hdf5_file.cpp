#include "plugins/hdf5_dataset/hdf5_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "plugins/hdf5_dataset/file_state.h"
#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShownChildren = 3;

herr_t append_name(hid_t, const char* name, const H5L_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

at::Tensor empty_like(const std::vector<hsize_t>& sizes, at::ScalarType dtype) {
  return at::empty(std::vector<std::int64_t>(sizes.begin(), sizes.end()), dtype);
}

// Selects rows [first, first + count) in a dataset's space, and sets sizes[0] to `count`.
Handle rows_of(const Handle& dataset, std::int64_t first, std::int64_t count,
               std::vector<hsize_t>& sizes) {
  Handle space(H5Dget_space(dataset.get()));
  std::vector<hsize_t> start(sizes.size(), 0);
  if (sizes.empty()) return Handle();
  start[0] = static_cast<hsize_t>(first);
  sizes[0] = static_cast<hsize_t>(count);
  if (H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, sizes.data(),
                          nullptr) < 0) {
    return Handle();
  }
  return space;
}

}  // namespace

Hdf5File::Hdf5File(const fs::path& path, std::string layout)
    : path_(path), layout_(std::move(layout)) {
  const Hdf5Lock lock;
  if (!fs::is_regular_file(path)) {
    throw Error({.what = fs::exists(path) ? "not a file" : "no such file",
                 .where = path.string(),
                 .expected = "an HDF5 file"});
  }
  check_not_being_written(path);
  const Handle access(H5Pcreate(H5P_FILE_ACCESS));
  // Some network file systems do not support locks, and reading needs none.
  H5Pset_file_locking(access.get(), false, true);
  file_ = Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
  if (!file_) throw not_opened(path, last_hdf5_message());
}

Hdf5File::~Hdf5File() {
  const Hdf5Lock lock;
  file_ = Handle();
}

void Hdf5File::fail(const std::string& what, const std::string& name) const {
  const std::string reason = last_hdf5_message();
  const std::string where = path_.string() + ": " + name;
  const Handle dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT));
  const auto missing = dataset ? missing_filters(dataset.get()) : std::vector<std::string>();
  if (missing.empty()) {
    throw Error({.what = what + ": " + reason,
                 .where = where,
                 .next = "the file may be damaged: record or copy the episode again"});
  }
  throw Error({.what = fmt::format("the dataset is compressed by {}, which this HDF5 library does "
                                   "not have",
                                   fmt::join(missing, ", ")),
               .where = where,
               .expected = "gzip, lzf or no compression",
               .next =
                   "the file is not damaged: repack it where the filter is installed (h5repack "
                   "-f GZIP=4 OLD NEW, or h5py with hdf5plugin), or set HDF5_PLUGIN_PATH to the "
                   "folder of the filter's library"});
}

bool Hdf5File::has(const std::string& name) const {
  const Hdf5Lock lock;
  // H5Lexists needs every group of the path to exist, so they are checked one by one.
  for (std::size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    if (H5Lexists(file_.get(), name.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
    if (end == std::string::npos) return true;
  }
}

// The type of the object with this name; H5I_BADID if it is absent or cannot be opened.
H5I_type_t Hdf5File::kind_of(const std::string& name) const {
  const Hdf5Lock lock;
  if (name != "/" && !has(name)) return H5I_BADID;
  const Handle object(H5Oopen(file_.get(), name.c_str(), H5P_DEFAULT));
  return object ? H5Iget_type(object.get()) : H5I_BADID;
}

bool Hdf5File::is_group(const std::string& name) const { return kind_of(name) == H5I_GROUP; }

bool Hdf5File::is_dataset(const std::string& name) const { return kind_of(name) == H5I_DATASET; }

std::vector<std::string> Hdf5File::children(const std::string& group) const {
  const Hdf5Lock lock;
  std::vector<std::string> names;
  if (!is_group(group)) return names;
  H5Literate_by_name(file_.get(), group.c_str(), H5_INDEX_NAME, H5_ITER_INC, nullptr, append_name,
                     &names, H5P_DEFAULT);
  return names;
}

std::string Hdf5File::describe(const std::string& name) const {
  const Hdf5Lock lock;
  if (!is_group(name)) return fmt::format("{} [{}]", type(name).name, fmt::join(shape(name), ", "));
  std::vector<std::string> names = children(name);
  const std::size_t count = names.size();
  if (count > kShownChildren) {
    names.resize(kShownChildren);
    names.emplace_back("...");
  }
  return fmt::format("a group of {} entries ({})", count, fmt::join(names, ", "));
}

Handle Hdf5File::open(const std::string& name) const {
  if (!has(name)) {
    // Lists the deepest group of the path that exists.
    std::string group = name;
    do {
      group.resize(group.rfind('/'));
    } while (!group.empty() && !is_group(group));
    const std::vector<std::string> there = children(group.empty() ? "/" : group);
    throw Error({.what = "the file has no '" + name + "'",
                 .where = path_.string(),
                 .expected = layout_,
                 .found = there.empty()
                              ? fmt::format("nothing in {}/", group)
                              : fmt::format("in {}/: {}", group, fmt::join(there, ", "))});
  }
  if (is_group(name)) {
    throw Error({.what = "'" + name + "' is a group, not a dataset",
                 .where = path_.string(),
                 .expected = "one dataset with one row per time step",
                 .found = describe(name),
                 .next = "join its entries into one dataset"});
  }

  // A link whose target is missing can be named but not opened.
  Handle dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT));
  if (dataset) return dataset;
  const std::string reason = last_hdf5_message();
  if (H5Oexists_by_name(file_.get(), name.c_str(), H5P_DEFAULT) > 0) fail("cannot open", name);
  throw Error({.what = "'" + name + "' is a broken link: " + reason,
               .where = path_.string(),
               .next = "copy the files that it links to as well, or fix the link"});
}

std::vector<std::int64_t> Hdf5File::shape(const std::string& name) const {
  const Hdf5Lock lock;
  const std::vector<hsize_t> sizes = extents(open(name).get());
  return {sizes.begin(), sizes.end()};
}

ElementType Hdf5File::type(const std::string& name) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const Handle type(H5Dget_type(dataset.get()));
  return element_type(type.get());
}

at::Tensor Hdf5File::read_floats(const std::string& name) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const at::Tensor values = empty_like(extents(dataset.get()), at::kFloat);
  if (H5Dread(dataset.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data_ptr()) <
      0) {
    fail("cannot read numbers", name);
  }
  return values;
}

at::Tensor Hdf5File::read_rows(const std::string& name, std::int64_t first, std::int64_t count,
                               at::ScalarType dtype) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  std::vector<hsize_t> sizes = extents(dataset.get());
  const Handle space = rows_of(dataset, first, count, sizes);
  const Handle memory(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr));
  const hid_t type = dtype == at::kUInt16 ? H5T_NATIVE_UINT16
                     : dtype == at::kByte ? H5T_NATIVE_UINT8
                                          : H5T_NATIVE_FLOAT;
  const at::Tensor values = empty_like(sizes, dtype);
  if (!space ||
      H5Dread(dataset.get(), type, memory.get(), space.get(), H5P_DEFAULT, values.data_ptr()) < 0) {
    fail("cannot read", name);
  }
  return values;
}

at::Tensor Hdf5File::read_bytes(const std::string& name, std::int64_t first,
                                std::int64_t count) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  // Read in the file's own type, so that nothing is converted.
  const Handle type(H5Dget_type(dataset.get()));
  std::vector<hsize_t> sizes = extents(dataset.get());
  const Handle space = rows_of(dataset, first, count, sizes);
  const Handle memory(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr));
  const ElementType element = element_type(type.get());
  if (element.kind == ElementKind::kFixedBytes) sizes = {sizes[0], element.size};
  const at::Tensor values = empty_like(sizes, at::kByte);
  if (!space || H5Dread(dataset.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT,
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
  const Handle type(H5Dget_type(dataset.get()));
  std::vector<hsize_t> sizes = extents(dataset.get());
  const Handle space = rows_of(dataset, first, count, sizes);
  const Handle memory(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr));

  // HDF5 allocates each list; they are copied, then freed.
  std::vector<hvl_t> rows(static_cast<std::size_t>(count));
  if (!space ||
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

}  // namespace roboimi::hdf5_dataset
