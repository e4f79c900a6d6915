#include "roboimi/io/sparse_input.h"

#include <algorithm>
#include <cstring>

namespace roboimi {
namespace {

constexpr int kBufferSize = 32768;

}  // namespace

void SparseInput::FreeContext::operator()(AVIOContext* context) const {
  // FFmpeg may have replaced the buffer.
  av_freep(&context->buffer);
  avio_context_free(&context);
}

SparseInput::SparseInput(const std::filesystem::path& file) : in_(open_unbuffered(file)) {
  std::error_code unknown;
  const std::uintmax_t size = std::filesystem::file_size(file, unknown);
  if (!unknown) size_ = static_cast<std::int64_t>(size);
  payload_ = mp4_payload(in_, static_cast<std::uint64_t>(size_));
  make_context();
}

void SparseInput::include_frames() {
  has_frames_ = true;
  offset_ = 0;
  make_context();
}

void SparseInput::make_context() {
  auto* const buffer = static_cast<std::uint8_t*>(ffmpeg::allocated(av_malloc(kBufferSize)));
  context_.reset(avio_alloc_context(buffer, kBufferSize, 0, this, &read, nullptr, &seek));
  if (context_ == nullptr) {
    av_free(buffer);
    throw Error("out of memory");
  }
  // Seeks over frames instead of reading them.
  context_->direct = 1;
}

int SparseInput::read(void* self, std::uint8_t* buffer, int size) {
  auto& input = *static_cast<SparseInput*>(self);
  if (input.offset_ >= input.size_ || size <= 0) return AVERROR_EOF;
  const auto begin = static_cast<std::uint64_t>(input.offset_);
  std::uint64_t end =
      begin + std::min<std::uint64_t>(std::uint64_t(size), std::uint64_t(input.size_) - begin);

  // Up to the next border between frames and the rest.
  const auto next =
      std::partition_point(input.payload_.begin(), input.payload_.end(),
                           [&](const ByteRange& range) { return range.end <= begin; });
  const bool is_payload = next != input.payload_.end() && next->begin <= begin;
  if (next != input.payload_.end()) end = std::min(end, is_payload ? next->end : next->begin);
  auto count = static_cast<std::streamsize>(end - begin);
  if (is_payload && !input.has_frames_) {
    std::memset(buffer, 0, end - begin);
  } else {
    input.in_.clear();
    input.in_.seekg(input.offset_);
    input.in_.read(reinterpret_cast<char*>(buffer), count);
    count = input.in_.gcount();
    if (count <= 0) return AVERROR(EIO);
  }
  input.offset_ += count;
  return static_cast<int>(count);
}

std::int64_t SparseInput::seek(void* self, std::int64_t offset, int whence) {
  auto& input = *static_cast<SparseInput*>(self);
  whence &= ~AVSEEK_FORCE;
  if (whence == AVSEEK_SIZE) return input.size_;
  if (whence == SEEK_CUR) offset += input.offset_;
  if (whence == SEEK_END) offset += input.size_;
  if (offset < 0) return AVERROR(EINVAL);
  input.offset_ = offset;
  return offset;
}

}  // namespace roboimi
