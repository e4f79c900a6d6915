// Videos for tests: encoded by FFmpeg with any options, or copied packet by packet. Every frame
// shows its own number.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace roboimi {

using FfmpegOptions = std::map<std::string, std::string>;

struct VideoRecipe {
  std::string encoder = "libx264";
  std::string pixel_format = "yuv420p";
  FfmpegOptions options = {{"g", "12"}};  // of the encoder
  FfmpegOptions container = {};           // options of the container
  int num_frames = 60;
  int height = 48, width = 64;
  int rate = 25;                         // frames per second
  std::vector<std::int64_t> times = {};  // in milliseconds; empty: by the rate
};

// Frame `number` of every such video, with blocks of 8 x 8 pixels for its bits. uint8 [H, W, 3].
at::Tensor numbered_frame(int number, int height, int width);
// The number that a decoded frame shows.
int shown_number(const at::Tensor& frame);

// The container follows from the name. Fails the test if FFmpeg has no such encoder.
void encode_video(const std::filesystem::path& file, const VideoRecipe& recipe);

// Copies the packets of one video stream after the other, without encoding them again.
struct PacketCopy {
  std::vector<std::filesystem::path> sources;
  int skip = 0;                  // packets at the start of the first source
  std::int64_t overlap = 0;      // time units by which each source begins before the last one ends
  FfmpegOptions container = {};  // options of the container
};
void copy_packets(const std::filesystem::path& file, const PacketCopy& copy);

// The packets of a file, in decoding order.
struct PacketPlace {
  std::int64_t position = 0;
  int size = 0;
  bool is_keyframe = false;
  std::int64_t pts = 0;
};
std::vector<PacketPlace> packets_of(const std::filesystem::path& file);

}  // namespace roboimi
