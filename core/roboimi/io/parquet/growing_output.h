// The output of a decompressor. Internal to io/parquet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace roboimi::parquet {

// Output that grows towards `size` only as it is filled.
class GrowingOutput {
 public:
  GrowingOutput(std::vector<std::uint8_t>& out, std::size_t size, std::size_t compressed)
      : out_(out), size_(size) {
    grow_to(std::max(kFirstGuess, compressed * kUsualRatio));
  }

  std::uint8_t* position() { return out_.data() + filled_; }
  std::size_t space() const { return std::min(size_, out_.size()) - filled_; }
  std::size_t filled() const { return filled_; }
  bool is_complete() const { return filled_ == size_; }
  void add(std::size_t bytes) {
    filled_ += bytes;
    if (space() == 0) grow_to(2 * filled_);
  }

 private:
  static constexpr std::size_t kFirstGuess = 1 << 16;  // bytes
  static constexpr std::size_t kUsualRatio = 16;

  void grow_to(std::size_t bytes) {
    bytes = std::min(bytes, size_);
    if (out_.size() < bytes) out_.resize(bytes);
  }

  std::vector<std::uint8_t>& out_;
  std::size_t size_;
  std::size_t filled_ = 0;
};

}  // namespace roboimi::parquet
