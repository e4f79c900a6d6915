// A writer of MP4 files that browsers can play.
//
//   VideoWriter video("episode_000.mp4", {.height = 480, .width = 640}, 20.0);
//   for (...) video.add(scene.render("front", {480, 640}));
//   video.close();
//
// The codec is H.264 if FFmpeg has an encoder for it (libx264, then libopenh264), else MPEG-4 part
// 2; 4:2:0, with the index at the start of the file. close() puts the file in place; a writer that
// is destroyed earlier leaves no file. Throws Error if the disk is full or FFmpeg reports an error.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class ROBOIMI_EXPORT VideoWriter {
 public:
  // `size`: of every frame; odd sides are padded by repeating the last row or column. `fps`: frames
  // per second, in (0, 1000].
  VideoWriter(const std::filesystem::path& path, ImageSize size, double fps);
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  // uint8 [H, W, 3], RGB.
  void add(const at::Tensor& frame);
  // Finishes the file. Throws Error if no frame was added.
  void close();

  // Throws Error if FFmpeg cannot encode such frames. Writes nothing.
  static void require_encoder(ImageSize size, double fps);

  // The FFmpeg name of the encoder in use.
  std::string encoder() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roboimi
