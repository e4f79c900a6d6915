// An HDF5 file opened for reading, whose datasets are read as tensors. HDF5's own messages appear
// only in Errors. Every member function takes Hdf5Lock itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "plugins/hdf5_dataset/hdf5_library.h"
#include "plugins/hdf5_dataset/stored_type.h"

namespace roboimi::hdf5_dataset {

// A parsed attribute. It may be absent, or hold a value of a different type.
template <typename Value>
struct Attribute {
  std::optional<Value> value;
  std::string
      unparsed;  // description of a value that could not be parsed, "3 values of type int64"
};

// An attribute as stored: nothing (absent), an integer, a float, a string, or a description of any
// other type.
struct OtherAttribute {
  std::string description;
};
using AttributeValue =
    std::variant<std::monostate, std::int64_t, std::uint64_t, double, std::string, OtherAttribute>;

inline constexpr char kActLayout[] =
    "ACT's layout: /observations/qpos, /observations/images/CAMERA, /action";

class Hdf5File {
 public:
  // Throws Error if the file is missing, not HDF5, truncated, being written, or was not closed by
  // its writer. `layout` describes what the file should contain, for errors about missing datasets.
  explicit Hdf5File(const std::filesystem::path& path, std::string layout = kActLayout);
  ~Hdf5File();
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;

  const std::filesystem::path& path() const { return path_; }
  bool has(const std::string& name) const;         // "/observations/qpos"
  bool is_group(const std::string& name) const;    // false when absent
  bool is_dataset(const std::string& name) const;  // false when absent or it cannot be opened
  std::vector<std::string> children(const std::string& group) const;  // sorted; empty if no group
  // "uint8 [12, 24, 32, 3]", or "a group of 12 entries (000000, 000001, ...)".
  std::string describe(const std::string& name) const;

  // Shape and element type of a dataset. Throws Error if it does not exist, or its link is broken.
  std::vector<std::int64_t> shape(const std::string& name) const;
  ElementType type(const std::string& name) const;
  // Throws Error if the dataset's values cannot be read although the file opens: a filter or a
  // source file is missing, or parts were never written, which HDF5 would return as zeros.
  void check_readable(const std::string& name) const;
  // Other files that hold the dataset's values: links, external storage, virtual datasets.
  std::vector<std::filesystem::path> other_files(const std::string& name) const;

  // Integers or floats, converted to float32.
  at::Tensor read_floats(const std::string& name) const;
  // Rows [first, first + count) as float32, uint16 or uint8.
  at::Tensor read_rows(const std::string& name, std::int64_t first, std::int64_t count,
                       at::ScalarType dtype) const;
  // Rows [first, first + count) as raw bytes, from one-byte integers of any rank, or from
  // fixed-length strings and opaque elements of n bytes [L], which give [count, n].
  at::Tensor read_bytes(const std::string& name, std::int64_t first, std::int64_t count) const;
  // Rows of a dataset of lists of bytes, [L] or [L, 1].
  std::vector<std::vector<std::uint8_t>> read_variable_bytes(const std::string& name,
                                                             std::int64_t first,
                                                             std::int64_t count) const;
  // A one-dimensional dataset of strings of fixed or variable length. Throws Error for anything
  // else.
  std::vector<std::string> read_strings(const std::string& name) const;
  // Byte offset in this file of each row of a uint8 dataset; empty unless all rows are stored
  // uncompressed in this file.
  std::vector<std::uint64_t> row_offsets(const std::string& name) const;

  // Attributes of an object; the default is the file's root. Numbers and booleans may also be
  // stored as strings.
  Attribute<std::uint64_t> integer_attribute(const std::string& name,
                                             const std::string& object = "/") const;
  Attribute<double> number_attribute(const std::string& name,
                                     const std::string& object = "/") const;
  Attribute<bool> boolean_attribute(const std::string& name, const std::string& object = "/") const;
  Attribute<std::string> text_attribute(const std::string& name,
                                        const std::string& object = "/") const;
  // A list of strings of fixed or variable length.
  Attribute<std::vector<std::string>> texts_attribute(const std::string& name,
                                                      const std::string& object = "/") const;

 private:
  Handle open(const std::string& name) const;
  H5I_type_t kind_of(const std::string& name) const;
  AttributeValue attribute(const std::string& name, const std::string& object) const;
  [[noreturn]] void fail(const std::string& what, const std::string& name) const;

  std::filesystem::path path_;
  std::string layout_;
  Handle file_;
};

}  // namespace roboimi::hdf5_dataset
