// A reader of video files: frames by index or time, in display order.
//
//   VideoReader video("videos/front/chunk-000/file-000.mp4");
//   at::Tensor frames = video.read(video.frame_at(1.6), 40);   // uint8 [40, H, W, 3]
//
// Reads MP4, MOV and Matroska files with AV1, H.264, HEVC or any other codec that FFmpeg decodes.
// When a file is opened, its packets are listed without decoding them. So the reader knows every
// frame and its time, and finds each one exactly, also with B-frames, edit lists, and at the joints
// of concatenated files.
//
// Frames are converted to RGB as LeRobot's torchcodec does: with the color matrix and range that
// the stream states, otherwise BT.601 and limited range. 8-bit 4:2:0 is bit-exact. Rotation
// metadata is ignored: frames are as the encoder stored them. Of several video streams, the first
// one is read. Packets before the first keyframe, and frames that an edit list cuts off, do not
// count as frames.
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

// Members may be called from several threads; calls on one reader wait for each other, so parallel
// reading needs one reader per thread.
class ROBOIMI_EXPORT VideoReader {
 public:
  // `threads`: number of the decoder's threads. Throws Error if the file is not a video, is a Git
  // LFS pointer, is truncated, or cannot be converted to RGB, such as LeRobot's depth videos
  // (gray12le), or if FFmpeg has no decoder for it, a packet has no time stamp, or the first frame
  // is damaged.
  explicit VideoReader(const std::filesystem::path& file, int threads = 1);
  ~VideoReader();
  VideoReader(VideoReader&&) noexcept;
  VideoReader& operator=(VideoReader&&) noexcept;

  ImageSize size() const;
  std::int64_t num_frames() const;
  std::string codec() const;  // FFmpeg's name, "h264"
  // The time of every frame in seconds, ascending. The first is 0: the file's offset is subtracted.
  const std::vector<double>& times() const;
  // The subtracted offset, in seconds.
  double offset() const;
  // Duration in seconds: the last time plus one frame.
  double duration() const;
  // The index of the frame that is nearest to `seconds`; the first or the last one outside the
  // video.
  std::int64_t frame_at(double seconds) const;

  // Frames [first, first + count) in display order: uint8 [count, H, W, 3]. Each packet is decoded
  // at most once. If the frames follow those of the previous call, decoding continues; otherwise it
  // starts at the keyframe before `first`. Throws Error with the frame's index for frames out of
  // range, frames of a different size, and damaged frames with those that depend on them.
  at::Tensor read(std::int64_t first, std::int64_t count);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roboimi
