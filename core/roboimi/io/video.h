// A writer of MP4 files that browsers can play.
//
//   VideoWriter video("episode_000.mp4", {.height = 480, .width = 640}, 20.0);
//   for (...) video.add(scene.render("front", {480, 640}));
//   video.close();
//
// By default the codec is H.264 if FFmpeg has an encoder for it (libx264, then libopenh264), else
// MPEG-4 part 2; 4:2:0, with the index at the start of the file. VideoEncoding selects another one.
// close() puts the file in place; a writer that is destroyed earlier leaves no file. Throws Error
// if the disk is full or FFmpeg reports an error.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

// How frames are compressed.
struct VideoEncoding {
  enum class Codec {
    kPlayable,  // H.264, or MPEG-4 part 2 where FFmpeg has no encoder for H.264
    kH264,      // libx264, then libopenh264
    kAv1,       // libsvtav1, for sides of at least 64 pixels
    kLossless,  // H.264 in RGB by libx264rgb: bit-exact when read back; few players support it
  };
  Codec codec = Codec::kPlayable;
  // Frames from one keyframe to the next; 0: one second. Small values make random access fast.
  int keyframe_interval = 0;
  // Constant rate factor of libx264 (0 to 51) and libsvtav1 (0 to 63): a smaller one gives better
  // frames and larger files. libopenh264, MPEG-4 and kLossless ignore it.
  int rate_factor = 20;
};

// For datasets, whose frames are read in random order: a keyframe every 2 frames, rate factor 30.
inline constexpr VideoEncoding kRandomAccessH264{
    .codec = VideoEncoding::Codec::kH264, .keyframe_interval = 2, .rate_factor = 30};
inline constexpr VideoEncoding kRandomAccessAv1{
    .codec = VideoEncoding::Codec::kAv1, .keyframe_interval = 2, .rate_factor = 30};

class ROBOIMI_EXPORT VideoWriter {
 public:
  // `size`: size of every frame; odd sides are padded by repeating the last row or column, except
  // with kLossless. `fps`: frames per second, in (0, 1000].
  VideoWriter(const std::filesystem::path& path, ImageSize size, double fps,
              VideoEncoding encoding = {});
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  // uint8 [H, W, 3], RGB.
  void add(const at::Tensor& frame);
  // Finishes the file. Throws Error if no frame was added.
  void close();

  // Throws Error if FFmpeg cannot encode such frames. Writes nothing.
  static void require_encoder(ImageSize size, double fps, VideoEncoding encoding = {});

  // The FFmpeg name of the encoder in use.
  std::string encoder() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roboimi
