// MP4 files that browsers play.
//
//   VideoWriter video("episode_000.mp4", {.height = 480, .width = 640}, 20.0);
//   for (...) video.add(environment.render("front", {480, 640}));
//   video.close();
//
// H.264 where FFmpeg has an encoder for it (libx264, then libopenh264), else MPEG-4 part 2; 4:2:0,
// index in front. The file appears under its name in close(); a writer that is destroyed before
// leaves nothing. Error when the disk is full or FFmpeg refuses.
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
  // `size` of the frames to come; odd sides are padded by repeating the last row or column. `fps`
  // frames per second, in (0, 1000].
  VideoWriter(const std::filesystem::path& path, ImageSize size, double fps);
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  // uint8 [H, W, 3], RGB.
  void add(const at::Tensor& frame);
  // Finishes the file. At least one frame must have been added (Error).
  void close();

  // Error unless FFmpeg can encode such frames. Writes nothing.
  static void require_encoder(ImageSize size, double fps);

  // The FFmpeg name of the encoder in use.
  std::string encoder() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roboimi
