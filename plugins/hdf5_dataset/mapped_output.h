// Memory whose contents become a file. It is a mapping of that file, so the kernel writes it to
// disk while it is filled, and it may be larger than the machine's memory.
//
//   MappedOutput output(temporary, path);
//   char* bytes = output.resize(1 << 20);
//   ...                               // fill it
//   output.finish(1000);              // the file has 1,000 bytes
#pragma once

#include <cstddef>
#include <filesystem>

namespace roboimi::hdf5_dataset {

class MappedOutput {
 public:
  // Opens the existing file `path`. Errors name it `shown_as`.
  MappedOutput(const std::filesystem::path& path, std::filesystem::path shown_as);
  ~MappedOutput();
  MappedOutput(const MappedOutput&) = delete;
  MappedOutput& operator=(const MappedOutput&) = delete;

  // Changes the size to `size` bytes, keeps the contents, and returns their new address. If the
  // disk is full, the additional bytes are ordinary memory, so that a caller that cannot handle
  // the failure continues until check(). Returns nullptr if memory is exhausted too.
  char* resize(std::size_t size);
  // Throws Error with the reason if the file could not grow.
  void check() const;
  // Makes the first `size` bytes the contents of the file. Throws Error as check() does.
  void finish(std::size_t size);

 private:
  bool grow_file(std::size_t size);
  bool map_file(std::size_t size);
  bool add_memory(std::size_t size);
  [[noreturn]] void fail(int error) const;

  std::filesystem::path shown_as_;
  int descriptor_ = -1;
  char* memory_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;  // leading bytes of `memory_` that are a mapping of the file
  int error_ = 0;           // errno of the first failure to grow the file
};

}  // namespace roboimi::hdf5_dataset
