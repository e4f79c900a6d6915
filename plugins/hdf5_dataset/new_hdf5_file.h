// An HDF5 file being written. It needs little memory, since its contents are a mapping of the file
// on disk. Every member function takes Hdf5Lock itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "plugins/hdf5_dataset/hdf5_library.h"
#include "plugins/hdf5_dataset/mapped_output.h"

namespace roboimi::hdf5_dataset {

// All functions throw Error if the disk is full. The same calls give the same bytes.
class NewHdf5File {
 public:
  // Writes into the existing file `path`. Errors name it `shown_as`.
  NewHdf5File(const std::filesystem::path& path, const std::filesystem::path& shown_as);
  ~NewHdf5File();
  NewHdf5File(const NewHdf5File&) = delete;
  NewHdf5File& operator=(const NewHdf5File&) = delete;

  void group(const std::string& name);
  // Values of dtype uint8, uint16 or float32, stored contiguously.
  void table(const std::string& name, const at::Tensor& values);
  // A table of the shape [L, ...], with one chunk per row, to be filled by write_rows().
  void add_image_table(const std::string& name, at::ScalarType dtype, at::IntArrayRef shape);
  // Writes `rows` [n, ...] as the rows that begin with row `first`.
  void write_rows(const std::string& table, std::int64_t first, const at::Tensor& rows);

  // Attributes of the file.
  void number(const char* name, std::uint64_t value);
  void number(const char* name, double value);
  void flag(const char* name, bool value);  // as h5py writes a bool: an enumeration of int8

  // Attributes of a table: a string, or a list of at least one string, of variable length in UTF-8.
  void text(const std::string& table, const char* name, const std::string& value);
  void texts(const std::string& table, const char* name, const std::vector<std::string>& values);

  // Completes the file on disk.
  void finish();

 private:
  Handle create(const std::string& name, at::ScalarType dtype, at::IntArrayRef shape,
                bool has_chunks);
  void write(const Handle& table, hid_t memory_space, hid_t file_space, const at::Tensor& data);
  void attribute(const char* name, hid_t type, const void* value);
  void text_attribute(const std::string& table, const char* name, const Handle& space,
                      const std::vector<std::string>& values);

  MappedOutput output_;
  Handle file_;
};

}  // namespace roboimi::hdf5_dataset
