// A reader of video files: frames by index or time, in display order.
//
//   VideoReader video("videos/front/chunk-000/file-000.mp4");
//   at::Tensor frames = video.read(video.frame_at(1.6), 40);   // uint8 [40, H, W, 3]
//
// AV1, H.264, HEVC and whatever else FFmpeg decodes, converted to RGB as LeRobot's decoders do
// (equal bit for bit for 8-bit 4:2:0). The file is opened once, and its packets are listed without
// decoding them: an index of all frames with their times, of which every one is found again
// exactly, also behind B-frames, edit lists and joints of concatenated files.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

// Members may be called from several threads; calls on one reader wait for each other, so that
// parallel reading takes one reader per thread.
class ROBOIMI_EXPORT VideoReader {
 public:
  // `threads`: of the decoder. Throws Error if the file is no video, a Git LFS pointer, truncated
  // or has no RGB-convertible stream (gray 12-bit depth videos are refused by name).
  explicit VideoReader(const std::filesystem::path& file, int threads = 1);
  ~VideoReader();
  VideoReader(VideoReader&&) noexcept;
  VideoReader& operator=(VideoReader&&) noexcept;

  ImageSize size() const;
  std::int64_t num_frames() const;
  std::string codec() const;  // FFmpeg's name, "h264"
  // Presentation times in seconds, ascending, without a constant offset of the file: the first is
  // 0.
  const std::vector<double>& times() const;
  // The offset that was taken off, in seconds.
  double offset() const;
  // Duration in seconds: the last time plus one frame.
  double duration() const;
  // The index of the frame that is nearest to `seconds`.
  std::int64_t frame_at(double seconds) const;

  // Frames [first, first + count) in display order: uint8 [count, H, W, 3]. Frames that follow the
  // previous call's are decoded on; otherwise decoding starts at the keyframe before `first`.
  // Throws Error for frames out of range and damaged packets, with the frame's index.
  at::Tensor read(std::int64_t first, std::int64_t count);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roboimi
