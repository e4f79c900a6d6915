// Decodes the frames of a video: any frame, from the keyframe that it needs, and the following ones
// without decoding a packet twice.
//
// A frame is identified by the number of its packet, which the decoder carries through its
// reordering in place of the time stamp. So neither B-frames nor equal or odd time stamps can shift
// frames.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "roboimi/io/packet_source.h"

namespace roboimi {

class FrameDecoder {
 public:
  // Called with every sound frame that comes out of the decoder, and its place in display order.
  using Sink = std::function<void(std::int64_t frame, const AVFrame& decoded)>;

  // Borrows both. Throws Error if FFmpeg has no decoder for the stream.
  FrameDecoder(PacketSource& source, VideoIndex& index, int threads);

  // FFmpeg's name of the codec, "h264".
  std::string codec() const;

  // Decodes the first frame, and hides frames that the file's first keyframe cannot give: those
  // that are shown before it, but refer to frames that were cut off.
  void decode_first(const Sink& sink);
  // Decodes until `frame` came out. `is_last`: the next frame is probably another one than the one
  // that follows, so nothing should be decoded behind it. Throws Error if it is damaged or depends
  // on a damaged frame.
  void decode(std::int64_t frame, bool is_last, const Sink& sink);

 private:
  enum class Keyframe { kUnknown, kSound, kFalse };

  void open(int threads);
  bool continues_to(std::int64_t packet) const;
  void restart(std::int64_t packet);
  bool run_until(std::int64_t packet, bool is_last, const Sink& sink);
  void send_next();
  void drain();
  void mark_damaged(std::int64_t packet);
  void take_out(const Sink& sink);
  void check_keyframe(std::int64_t packet);
  bool is_damaged(std::int64_t packet) const;
  bool go_back();
  [[noreturn]] void refuse(std::int64_t packet) const;

  PacketSource& source_;
  VideoIndex& index_;
  int threads_;
  ffmpeg::Codec codec_;
  ffmpeg::Frame frame_;
  ffmpeg::Packet packet_;

  std::int64_t held_ = -1;  // the packet of frame_; -1: none that is sound

  // A pass: packets from start_ on, sent one after the other.
  bool is_running_ = false, is_draining_ = false;
  std::int64_t start_ = 0, next_ = 0;
  Keyframe keyframe_ = Keyframe::kUnknown;  // whether start_ is what the container calls it
  std::int64_t step_back_ = 0;              // packets by which go_back() passes over a keyframe
  std::vector<std::int64_t> in_flight_;     // packets that were sent and not yet taken out
  std::vector<std::int64_t> damaged_;       // packets that could not be decoded
};

}  // namespace roboimi
