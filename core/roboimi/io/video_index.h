// The index of a video's frames: their order, their times, and the packet where the decoding of
// each one starts.
//
// Packets are stored in decoding order and shown in the order of their time stamps. With B-frames
// the two orders differ. The index is computed from the packets' time stamps and flags alone;
// nothing is decoded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace roboimi {

// One coded frame, as the container describes it.
struct VideoPacket {
  std::int64_t pts = 0;       // time at which it is shown, in units of the time base
  std::int64_t dts = 0;       // decoding time, in the same units
  std::int64_t position = 0;  // of its bytes in the file
  std::int64_t duration = 0;  // in the same units; 0: unknown
  bool is_keyframe = false;
  bool is_shown = true;  // false: only decoded, because an edit list cuts it off
};

// Seconds per unit of a time stamp.
struct TimeBase {
  int numerator = 1, denominator = 1;
};

class VideoIndex {
 public:
  static constexpr std::int64_t kNotShown = -1;

  // `packets` in decoding order. Those before the first keyframe, left behind by a cut, are not
  // shown. `file` is for messages. Throws Error if no packet is shown or a time stamp is out of
  // range.
  VideoIndex(std::vector<VideoPacket> packets, TimeBase time_base, std::string file);

  const std::vector<VideoPacket>& packets() const { return packets_; }
  std::int64_t num_packets() const { return static_cast<std::int64_t>(packets_.size()); }
  std::int64_t num_frames() const { return static_cast<std::int64_t>(packet_of_.size()); }
  // Conversion between a frame in display order and its packet in decoding order. The frame of a
  // packet that is not shown is kNotShown.
  std::int64_t packet_of(std::int64_t frame) const { return packet_of_[std::size_t(frame)]; }
  std::int64_t frame_of(std::int64_t packet) const { return frame_of_[std::size_t(packet)]; }

  // The packet from which decoding yields `packet` completely: the last keyframe before it in both
  // orders. A keyframe between the two orders does not suffice: frames that are shown before it may
  // refer to frames after it (an open group of pictures).
  std::int64_t start_of(std::int64_t packet) const;
  // The last keyframe at or before `packet` in decoding order; the first one if there is none.
  std::int64_t keyframe_before(std::int64_t packet) const;
  // The first packet if the container marks no keyframe.
  std::int64_t first_keyframe() const { return first_keyframe_; }
  // The largest number of packets for which the decoder holds a frame back to keep the display
  // order.
  int reorder_depth() const { return reorder_depth_; }

  // Corrections after decoding: a packet that the container wrongly marks as a keyframe, and a
  // packet that can never be shown.
  void unmark_keyframe(std::int64_t packet);
  void hide(const std::vector<std::int64_t>& packets);

  // Seconds from the first frame, ascending; the time stamp of the first; the end of the last.
  const std::vector<double>& times() const { return times_; }
  double offset() const { return offset_; }
  double duration() const { return duration_; }

 private:
  void order_frames();
  void link_keyframes();

  std::string file_;
  TimeBase time_base_;
  std::vector<VideoPacket> packets_;
  std::vector<std::int64_t> packet_of_, frame_of_;
  std::vector<std::int64_t> keyframe_before_, start_of_;  // of each packet
  std::vector<double> times_;
  std::int64_t first_keyframe_ = 0;
  double offset_ = 0.0, duration_ = 0.0;
  int reorder_depth_ = 0;
};

}  // namespace roboimi
