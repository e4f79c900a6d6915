// A decoder of a video's frames. It starts at the keyframe that a frame needs, and continues with
// the following frames without decoding a packet twice.
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
  // Called with every undamaged frame that the decoder returns, and its index in display order.
  using Sink = std::function<void(std::int64_t frame, const AVFrame& decoded)>;

  // Both arguments must outlive the decoder. Throws Error if FFmpeg has no decoder for the stream.
  FrameDecoder(PacketSource& source, VideoIndex& index, int threads);

  // FFmpeg's name of the codec, "h264".
  std::string codec() const;

  // Decodes the first frame, and hides frames that cannot be decoded from the file's first
  // keyframe: those shown before it that refer to frames that were cut off.
  void decode_first(const Sink& sink);
  // Decodes until the decoder returns `frame`. `is_last`: the following frame will probably not be
  // requested next, so nothing after `frame` should be decoded. Throws Error if it is damaged or
  // depends on a damaged frame.
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

  std::int64_t held_ = -1;  // the packet of frame_; -1: no undamaged frame

  // A pass: packets from start_ on, sent one after the other.
  bool is_running_ = false, is_draining_ = false;
  std::int64_t start_ = 0, next_ = 0;
  Keyframe keyframe_ = Keyframe::kUnknown;  // whether start_ really is a keyframe
  std::int64_t step_back_ = 0;              // packets by which go_back() passes over a keyframe
  std::vector<std::int64_t> in_flight_;     // packets that were sent and whose frames are pending
  std::vector<std::int64_t> damaged_;       // packets that could not be decoded
};

}  // namespace roboimi
