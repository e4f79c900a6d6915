// Lock, identifiers and error messages of the HDF5 library.
//
// The library is not thread-safe: hold Hdf5Lock for every call.
#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

namespace roboimi::hdf5_dataset {

// One lock for the whole library. The first one also registers the LZF filter and stops HDF5 from
// printing its error stack.
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

}  // namespace roboimi::hdf5_dataset
