// An input of FFmpeg that reads no more of an MP4 or MOV file than it is asked for, and leaves its
// frames out if they are not needed: their bytes are zeros and never leave the disk.
//
// FFmpeg's demuxer reads the data of every packet that it lists. Which packets there are only
// depends on the file's index, so that with this input listing costs a few bytes per frame instead
// of the whole file. A fragmented file has an index in front of every fragment. FFmpeg's own input
// reads 32 kB there, of which this one reads the index only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "roboimi/io/ffmpeg.h"
#include "roboimi/io/mp4_boxes.h"

namespace roboimi {

class SparseInput {
 public:
  // In files of other formats nothing is left out.
  explicit SparseInput(const std::filesystem::path& file);

  SparseInput(const SparseInput&) = delete;
  SparseInput& operator=(const SparseInput&) = delete;

  // For AVFormatContext::pb, which must not outlive this object. At the start of the file.
  AVIOContext* context() const { return context_.get(); }

  bool is_fragmented() const { return payload_.size() > 1; }
  // From now on, frames are read too. Makes another context.
  void include_frames();

 private:
  struct FreeContext {
    void operator()(AVIOContext* context) const;
  };

  void make_context();

  // FFmpeg's callbacks; `self` is this object.
  static int read(void* self, std::uint8_t* buffer, int size);
  static std::int64_t seek(void* self, std::int64_t offset, int whence);

  std::ifstream in_;
  std::int64_t size_ = 0, offset_ = 0;
  std::vector<ByteRange> payload_;
  bool has_frames_ = false;
  std::unique_ptr<AVIOContext, FreeContext> context_;
};

}  // namespace roboimi
