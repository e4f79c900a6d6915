// Hdf5File: reading of datasets of strings.
#include <fmt/format.h>

#include "plugins/hdf5_dataset/hdf5_file.h"
#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {
namespace {

constexpr hsize_t kMostStrings = 10'000'000;
constexpr std::size_t kMostBytes = 1 << 30;

// A string without the zeros or spaces that fill it to its fixed length.
std::string without_padding(const char* start, std::size_t size, bool has_spaces) {
  std::string text(start, size);
  if (const std::size_t end = text.find('\0'); end != std::string::npos) text.resize(end);
  while (has_spaces && !text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

std::vector<std::string> Hdf5File::read_strings(const std::string& name) const {
  const Hdf5Lock lock;
  const Handle dataset = open(name);
  const Handle type(H5Dget_type(dataset.get()));
  const ElementType element = element_type(type.get());
  const std::vector<hsize_t> sizes = extents(dataset.get());
  const bool is_variable = element.kind == ElementKind::kVariableString;
  if (sizes.size() != 1 || (!is_variable && element.kind != ElementKind::kFixedBytes)) {
    throw Error({.what = "'" + name + "' is not a list of strings",
                 .where = path_.string(),
                 .expected = "strings of fixed or variable length [n]",
                 .found = describe(name)});
  }
  if (sizes[0] > kMostStrings || (sizes[0] > 0 && element.size > kMostBytes / sizes[0])) {
    throw Error({.what = "'" + name + "' is too large for a list of names",
                 .where = path_.string(),
                 .expected = fmt::format("at most {} strings and 1 GiB", kMostStrings),
                 .found = describe(name)});
  }
  const std::size_t count = sizes[0];
  std::vector<std::string> strings;
  if (count == 0) return strings;

  // Strings of variable length: HDF5 allocates each; they are copied, then freed.
  if (is_variable) {
    std::vector<char*> rows(count, nullptr);
    if (H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()) < 0) {
      fail("cannot read strings", name);
    }
    for (const char* row : rows) strings.emplace_back(row == nullptr ? "" : row);
    const Handle space(H5Dget_space(dataset.get()));
    H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, rows.data());
    return strings;
  }

  // Strings of fixed length, without their padding.
  std::vector<char> bytes(count * element.size);
  if (H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) {
    fail("cannot read strings", name);
  }
  const bool has_spaces =
      H5Tget_class(type.get()) == H5T_STRING && H5Tget_strpad(type.get()) == H5T_STR_SPACEPAD;
  for (std::size_t i = 0; i < count; ++i) {
    strings.push_back(without_padding(bytes.data() + i * element.size, element.size, has_spaces));
  }
  return strings;
}

}  // namespace roboimi::hdf5_dataset
