// An HDF5 file opened for reading, in terms of tensors. HDF5's own messages go into Errors and
// nowhere else.
//
// The HDF5 library is not to be entered by two threads at once: whoever calls it holds Hdf5Lock.
// Hdf5File does so by itself.
#pragma once

#include <ATen/core/Tensor.h>
#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace roboimi::hdf5_dataset {

// One lock for the whole library; it also switches off HDF5's printing of its error stack.
class Hdf5Lock {
 public:
  Hdf5Lock();

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

// Owns any HDF5 identifier.
class Handle {
 public:
  explicit Handle(hid_t id = -1) : id_(id) {}
  ~Handle() {
    if (id_ >= 0) H5Idec_ref(id_);
  }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_;
};

// The innermost message on HDF5's error stack.
std::string last_hdf5_message();

class Hdf5File {
 public:
  // Error: missing, not HDF5, truncated.
  explicit Hdf5File(const std::filesystem::path& path);
  ~Hdf5File();
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;

  const std::filesystem::path& path() const { return path_; }
  bool has(const std::string& name) const;                            // "/observations/qpos"
  std::vector<std::string> children(const std::string& group) const;  // sorted

  // Of a dataset; Error when there is none of that name.
  std::vector<std::int64_t> shape(const std::string& name) const;
  bool is_uint8(const std::string& name) const;
  // Any numbers as float32.
  at::Tensor read_floats(const std::string& name) const;
  // Rows [first, first + count) of a uint8 dataset of any rank.
  at::Tensor read_bytes(const std::string& name, std::int64_t first, std::int64_t count) const;
  // Rows of a one-dimensional dataset of variable-length bytes.
  std::vector<std::vector<std::uint8_t>> read_variable_bytes(const std::string& name,
                                                             std::int64_t first,
                                                             std::int64_t count) const;
  // Where each row of a uint8 dataset lies in the file; empty unless all are stored as they are.
  std::vector<std::uint64_t> row_offsets(const std::string& name) const;

  // Of the file's root; empty when absent. Booleans as h5py writes them are 0 and 1.
  std::optional<std::uint64_t> integer_attribute(const std::string& name) const;
  std::optional<double> number_attribute(const std::string& name) const;

 private:
  Handle open(const std::string& name) const;
  std::optional<Handle> open_attribute(const std::string& name) const;
  [[noreturn]] void fail(const std::string& what, const std::string& name) const;

  std::filesystem::path path_;
  Handle file_;
};

}  // namespace roboimi::hdf5_dataset
