#include "plugins/hdf5_dataset/mapped_output.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/common/write_advice.h"

namespace roboimi::hdf5_dataset {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

}  // namespace

MappedOutput::MappedOutput(const std::filesystem::path& path, std::filesystem::path shown_as)
    : shown_as_(std::move(shown_as)), descriptor_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
  if (descriptor_ < 0) fail(errno);
}

MappedOutput::~MappedOutput() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

void MappedOutput::fail(int error) const {
  throw Error({.what = std::string("cannot write: ") + std::strerror(error),
               .where = shown_as_.string(),
               .next = write_advice(error)});
}

void MappedOutput::check() const {
  if (error_ != 0) fail(error_);
}

// Reserves the disk space, because a write to a page without space ends the process (SIGBUS).
bool MappedOutput::grow_file(std::size_t size) {
  int error = EINTR;
  while (error == EINTR) error = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
  error_ = error;
  return error == 0;
}

char* MappedOutput::resize(std::size_t size) {
  if (size <= size_) return memory_;  // finish() cuts the file
  const bool is_in_file = mapped_ == size_ && error_ == 0;
  if (is_in_file && grow_file(size) && map_file(size)) return memory_;
  return add_memory(size) ? memory_ : nullptr;
}

// Maps the whole file. Fails on file systems without shared mappings.
bool MappedOutput::map_file(std::size_t size) {
  void* const memory = memory_ != nullptr
                           ? ::mremap(memory_, size_, size, MREMAP_MAYMOVE)
                           : ::mmap(nullptr, size, kReadWrite, MAP_SHARED, descriptor_, 0);
  if (memory == MAP_FAILED) return false;
  memory_ = static_cast<char*>(memory);
  size_ = mapped_ = size;
  return true;
}

// Adds ordinary memory to the mapping, if there is one.
bool MappedOutput::add_memory(std::size_t size) {
  void* const memory = ::mmap(nullptr, size, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, 0);
  if (memory == MAP_FAILED) return false;
  if (mapped_ > 0 &&
      ::mmap(memory, mapped_, kReadWrite, MAP_SHARED | MAP_FIXED, descriptor_, 0) == MAP_FAILED) {
    ::munmap(memory, size);
    return false;
  }
  if (memory_ != nullptr) {
    std::memcpy(static_cast<char*>(memory) + mapped_, memory_ + mapped_, size_ - mapped_);
    ::munmap(memory_, size_);
  }
  memory_ = static_cast<char*>(memory);
  size_ = size;
  return true;
}

void MappedOutput::finish(std::size_t size) {
  check();
  for (std::size_t written = mapped_; written < size;) {
    const ssize_t count =
        ::pwrite(descriptor_, memory_ + written, size - written, static_cast<off_t>(written));
    if (count < 0 && errno != EINTR) fail(errno);
    if (count > 0) written += static_cast<std::size_t>(count);
  }
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail(errno);
}

}  // namespace roboimi::hdf5_dataset
