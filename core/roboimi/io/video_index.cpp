#include "roboimi/io/video_index.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

// Differences of time stamps below this bound cannot overflow.
constexpr std::int64_t kLargestStamp = std::int64_t{1} << 60;

// The largest number of earlier packets that are shown later than a packet.
int reorder_depth_of(const std::vector<VideoPacket>& packets) {
  // A decoder holds at most 16 frames back, so only the latest 16 earlier packets matter.
  constexpr std::size_t kMostHeld = 16;
  std::vector<std::int64_t> held;  // descending
  std::size_t depth = 0;
  for (const VideoPacket& packet : packets) {
    const auto place = std::lower_bound(held.begin(), held.end(), packet.pts, std::greater<>());
    depth = std::max(depth, static_cast<std::size_t>(place - held.begin()));
    held.insert(place, packet.pts);
    if (held.size() > kMostHeld) held.pop_back();
  }
  return static_cast<int>(depth);
}

}  // namespace

VideoIndex::VideoIndex(std::vector<VideoPacket> packets, TimeBase time_base, std::string file)
    : file_(std::move(file)), time_base_(time_base), packets_(std::move(packets)) {
  if (time_base_.numerator < 1 || time_base_.denominator < 1) {
    throw Error({.what = "the video has no unit of time",
                 .where = file_,
                 .expected = "a positive time base",
                 .found = std::to_string(time_base_.numerator) + "/" +
                          std::to_string(time_base_.denominator),
                 .next = "the file is damaged: copy or record it again"});
  }
  for (std::size_t i = 0; i < packets_.size(); ++i) {
    if (packets_[i].pts > -kLargestStamp && packets_[i].pts < kLargestStamp) continue;
    throw Error({.what = "packet " + std::to_string(i) + " has a time stamp out of range",
                 .where = file_,
                 .found = std::to_string(packets_[i].pts),
                 .next = "the file is damaged: copy or record it again"});
  }
  reorder_depth_ = reorder_depth_of(packets_);
  const auto first = std::find_if(packets_.begin(), packets_.end(),
                                  [](const VideoPacket& packet) { return packet.is_keyframe; });
  if (first != packets_.end()) {
    first_keyframe_ = first - packets_.begin();
    std::for_each(packets_.begin(), first, [](VideoPacket& packet) { packet.is_shown = false; });
  }
  link_keyframes();
  order_frames();
}

void VideoIndex::link_keyframes() {
  keyframe_before_.resize(packets_.size());
  start_of_.resize(packets_.size());
  const auto pts = [&](std::int64_t packet) { return packets_[std::size_t(packet)].pts; };
  std::int64_t last = first_keyframe_;
  // The keyframes so far that no later one is shown before: ascending in both orders.
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i < num_packets(); ++i) {
    if (packets_[std::size_t(i)].is_keyframe) {
      last = i;
      while (!starts.empty() && pts(starts.back()) >= pts(i)) starts.pop_back();
      starts.push_back(i);
    }
    keyframe_before_[std::size_t(i)] = last;
    const auto after = std::partition_point(
        starts.begin(), starts.end(), [&](std::int64_t start) { return pts(start) <= pts(i); });
    start_of_[std::size_t(i)] = after == starts.begin() ? first_keyframe_ : *(after - 1);
  }
}

void VideoIndex::order_frames() {
  // Order of display; equal time stamps keep the order of decoding.
  packet_of_.clear();
  for (std::int64_t i = 0; i < num_packets(); ++i) {
    if (packets_[std::size_t(i)].is_shown) packet_of_.push_back(i);
  }
  if (packet_of_.empty()) {
    throw Error({.what = "the video has no frames",
                 .where = file_,
                 .next = "record it again, or remove it from the dataset"});
  }
  const auto pts = [&](std::int64_t packet) { return packets_[std::size_t(packet)].pts; };
  std::stable_sort(packet_of_.begin(), packet_of_.end(),
                   [&](std::int64_t a, std::int64_t b) { return pts(a) < pts(b); });
  frame_of_.assign(packets_.size(), kNotShown);
  for (std::int64_t i = 0; i < num_frames(); ++i) frame_of_[std::size_t(packet_of(i))] = i;

  // Times relative to the first frame.
  const double unit = static_cast<double>(time_base_.numerator) / time_base_.denominator;
  const std::int64_t first = pts(packet_of_.front());
  times_.clear();
  for (const std::int64_t packet : packet_of_) {
    times_.push_back(static_cast<double>(pts(packet) - first) * time_base_.numerator /
                     time_base_.denominator);
  }
  offset_ = static_cast<double>(first) * unit;
  // Some containers omit a packet's duration.
  const std::int64_t last_duration = packets_[std::size_t(packet_of_.back())].duration;
  double last_frame = static_cast<double>(last_duration) * unit;
  if (last_duration <= 0) {
    last_frame = times_.size() > 1 ? times_.back() - times_[times_.size() - 2] : 0.0;
  }
  duration_ = times_.back() + last_frame;
}

std::int64_t VideoIndex::keyframe_before(std::int64_t packet) const {
  return keyframe_before_[std::size_t(packet)];
}

std::int64_t VideoIndex::start_of(std::int64_t packet) const {
  return start_of_[std::size_t(packet)];
}

void VideoIndex::unmark_keyframe(std::int64_t packet) {
  packets_[std::size_t(packet)].is_keyframe = false;
  link_keyframes();
}

void VideoIndex::hide(const std::vector<std::int64_t>& packets) {
  for (const std::int64_t packet : packets) packets_[std::size_t(packet)].is_shown = false;
  order_frames();
}

}  // namespace roboimi
