#include "roboimi/io/frame_decoder.h"

#include <algorithm>
#include <string_view>

namespace roboimi {
namespace {

// Packets that a decoder may hold back, in addition to one per thread.
constexpr std::int64_t kLongestDelay = 40;
constexpr std::int64_t kNearKeyframe = 8;                    // packets
constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;  // 16384 x 16384

bool is_intra_only(AVCodecID codec) {
  const AVCodecDescriptor* descriptor = avcodec_descriptor_get(codec);
  return descriptor != nullptr && (descriptor->props & AV_CODEC_PROP_INTRA_ONLY) != 0;
}

}  // namespace

FrameDecoder::FrameDecoder(PacketSource& source, VideoIndex& index, int threads)
    : source_(source),
      index_(index),
      threads_(std::max(threads, 1)),
      frame_(ffmpeg::allocated(av_frame_alloc())),
      packet_(ffmpeg::allocated(av_packet_alloc())) {
  open(threads_);
}

std::string FrameDecoder::codec() const {
  return avcodec_get_name(source_.codec_parameters().codec_id);
}

void FrameDecoder::open(int threads) {
  threads_ = threads;
  const AVCodecParameters& parameters = source_.codec_parameters();
  const AVCodec* decoder = avcodec_find_decoder(parameters.codec_id);
  // FFmpeg's own "av1" only works with hardware acceleration.
  if (decoder == nullptr || std::string_view(decoder->name) == "av1") {
    char tag[AV_FOURCC_MAX_STRING_SIZE] = {};
    av_fourcc_make_string(tag, parameters.codec_tag);
    throw Error({.what = "FFmpeg has no decoder for the codec of the video",
                 .where = source_.file().string(),
                 .found = "'" + codec() + "' (" + tag + ")",
                 .next = codec() == "av1" ? "install an FFmpeg with libdav1d"
                                          : "convert the video to H.264"});
  }
  codec_.reset(ffmpeg::allocated(avcodec_alloc_context3(decoder)));
  int status = avcodec_parameters_to_context(codec_.get(), &parameters);
  codec_->thread_count = threads;
  codec_->max_pixels = kMostPixels;
  // Streams need not declare how far frames are reordered. Without that, the H.264 decoder guesses,
  // and drops frames if the guess was wrong.
  codec_->has_b_frames = std::max(codec_->has_b_frames, index_.reorder_depth());
  if (status >= 0) status = avcodec_open2(codec_.get(), decoder, nullptr);
  if (status < 0) {
    throw Error({.what = "cannot open the decoder of the video: " + ffmpeg::reason(status),
                 .where = source_.file().string(),
                 .found = "'" + codec() + "'",
                 .next = "the file is damaged: copy or record it again"});
  }
  is_running_ = false;
  held_ = -1;
}

// Whether the current pass reaches the packet's frame without decoding more than a new pass would.
bool FrameDecoder::continues_to(std::int64_t packet) const {
  if (!is_running_) return false;
  if (std::find(in_flight_.begin(), in_flight_.end(), packet) != in_flight_.end()) return true;
  return !is_draining_ && packet >= next_ && index_.start_of(packet) <= next_;
}

void FrameDecoder::restart(std::int64_t packet) {
  avcodec_flush_buffers(codec_.get());
  is_running_ = false;
  source_.seek(index_.packets(), packet);
  is_running_ = true;
  is_draining_ = false;
  start_ = next_ = packet;
  keyframe_ =
      packet == index_.first_keyframe() || is_intra_only(source_.codec_parameters().codec_id)
          ? Keyframe::kSound
          : Keyframe::kUnknown;
  in_flight_.clear();
  damaged_.clear();
}

// A packet that depends on packets before the start of the pass fails although it is undamaged.
void FrameDecoder::mark_damaged(std::int64_t packet) {
  if (packet == start_ && keyframe_ == Keyframe::kUnknown) keyframe_ = Keyframe::kFalse;
  if (index_.start_of(packet) >= start_) damaged_.push_back(packet);
}

void FrameDecoder::drain() {
  is_draining_ = true;
  avcodec_send_packet(codec_.get(), nullptr);
}

void FrameDecoder::send_next() {
  if (next_ == index_.num_packets()) {
    drain();
    return;
  }
  is_running_ = false;  // if reading throws, a pass cannot be continued
  if (!source_.next(*packet_)) {
    throw Error({.what = "the video has become shorter since it was opened",
                 .where = source_.file().string(),
                 .next = "do not write to a dataset while it is in use"});
  }
  is_running_ = true;
  packet_->pts = next_;
  packet_->dts = AV_NOPTS_VALUE;
  in_flight_.push_back(next_++);
  const int status = avcodec_send_packet(codec_.get(), packet_.get());
  av_packet_unref(packet_.get());
  if (status == AVERROR(ENOMEM)) throw Error("out of memory");
  if (status < 0) mark_damaged(next_ - 1);
}

// The first frame of a pass shows whether its packet really is a keyframe. If it is not, the frames
// of the pass refer to earlier frames, which were not decoded.
void FrameDecoder::check_keyframe(std::int64_t packet) {
  if (keyframe_ != Keyframe::kUnknown) return;
  if (packet == start_) {
    keyframe_ = ffmpeg::is_keyframe(*frame_) ? Keyframe::kSound : Keyframe::kFalse;
  } else if (index_.packets()[std::size_t(packet)].pts >
             index_.packets()[std::size_t(start_)].pts) {
    keyframe_ = Keyframe::kFalse;
  }
}

// A frame is damaged if a packet that it may depend on failed: any packet from its keyframe to
// itself, except those shown before the keyframe.
bool FrameDecoder::is_damaged(std::int64_t packet) const {
  const std::int64_t start = index_.start_of(packet);
  return std::any_of(damaged_.begin(), damaged_.end(), [&](std::int64_t other) {
    return other >= start && other <= packet && index_.start_of(other) >= start;
  });
}

// Handles a frame that the decoder returned.
void FrameDecoder::take_out(const Sink& sink) {
  held_ = -1;
  const std::int64_t packet = frame_->pts;
  const auto place = std::find(in_flight_.begin(), in_flight_.end(), packet);
  if (place == in_flight_.end()) return;  // a second frame of one packet
  in_flight_.erase(place);
  check_keyframe(packet);
  if ((frame_->flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame_->decode_error_flags != 0) {
    mark_damaged(packet);
  }
  const std::int64_t frame = index_.frame_of(packet);
  const bool is_of_pass = index_.start_of(packet) >= start_;
  if (keyframe_ != Keyframe::kSound || !is_of_pass || is_damaged(packet)) return;
  held_ = packet;
  if (frame != VideoIndex::kNotShown) sink(frame, *frame_);
}

// Decodes until the decoder returns the packet's frame. False if it does not, or if it is damaged.
bool FrameDecoder::run_until(std::int64_t packet, bool is_last, const Sink& sink) {
  const std::int64_t last = packet + kLongestDelay + threads_;
  int num_failures = 0;
  while (true) {
    const int status = avcodec_receive_frame(codec_.get(), frame_.get());
    if (status == AVERROR(ENOMEM)) throw Error("out of memory");
    if (status == 0) {
      const std::int64_t found = frame_->pts;
      take_out(sink);
      if (found == packet) return held_ == packet;
      if (keyframe_ == Keyframe::kFalse) return false;
      continue;
    }
    held_ = -1;
    if (status == AVERROR_EOF) return false;
    if (status != AVERROR(EAGAIN)) mark_damaged(next_ - 1);
    if (is_draining_ && ++num_failures > kLongestDelay) return false;
    if (keyframe_ == Keyframe::kFalse || next_ > last) return false;
    if (is_draining_) continue;
    if (is_last && packet < next_) {
      drain();
    } else {
      send_next();
    }
  }
}

// Starts again before a packet that is wrongly marked as a keyframe. False if the pass did not
// start at one.
bool FrameDecoder::go_back() {
  if (keyframe_ == Keyframe::kSound) return false;
  const std::int64_t wrong = start_;
  index_.unmark_keyframe(wrong);
  // If every packet is marked as a keyframe, single steps would take too long.
  restart(index_.keyframe_before(std::max<std::int64_t>(wrong - 1 - step_back_, 0)));
  step_back_ = 2 * step_back_ + 1;
  return true;
}

void FrameDecoder::decode(std::int64_t frame, bool is_last, const Sink& sink) {
  const std::int64_t packet = index_.packet_of(frame);
  if (held_ == packet) {
    sink(frame, *frame_);
    return;
  }
  step_back_ = 0;
  bool is_continued = continues_to(packet), is_widened = false;
  if (!is_continued) restart(index_.start_of(packet));
  // Draining ends the pass. Far from a keyframe, that would cost more than it saves.
  is_last = is_last && packet - index_.start_of(packet) < kNearKeyframe;
  while (!run_until(packet, is_last, sink)) {
    if (is_last) {
      is_last = is_continued = false;
      restart(index_.start_of(packet));
      continue;
    }
    if (go_back()) continue;
    // Whether a frame can be read must not depend on what the pass decoded before. Also, a decoder
    // with several threads does not report which packet failed.
    if (is_continued || threads_ > 1) {
      if (threads_ > 1) open(1);
      is_continued = false;
      restart(index_.start_of(packet));
      continue;
    }
    // FFmpeg's H.264 decoder may lose the last frames of a file if they directly follow the
    // keyframe of an open group of pictures.
    if (is_widened || is_damaged(packet) || start_ <= index_.first_keyframe()) refuse(packet);
    is_widened = true;
    restart(index_.keyframe_before(start_ - 1));
  }
}

void FrameDecoder::decode_first(const Sink& sink) {
  const std::int64_t start = index_.first_keyframe();
  restart(start);
  if (run_until(index_.packet_of(0), false, sink)) return;
  std::vector<std::int64_t> cut_off;
  for (std::int64_t i = 0; i < index_.frame_of(start); ++i) cut_off.push_back(index_.packet_of(i));
  if (!cut_off.empty()) index_.hide(cut_off);
  decode(0, false, sink);
}

void FrameDecoder::refuse(std::int64_t packet) const {
  const std::int64_t frame = index_.frame_of(packet);
  std::int64_t cause = packet;
  for (const std::int64_t other : damaged_) {
    if (other >= index_.start_of(packet)) cause = std::min(cause, other);
  }
  const std::string found = cause == packet ? "its data is damaged"
                                            : "frame " + std::to_string(index_.frame_of(cause)) +
                                                  ", on which it depends, is damaged";
  throw Error({.what = "frame " + std::to_string(frame) + " of the video cannot be decoded",
               .where = source_.file().string(),
               .found = found,
               .next = "copy or record the video again, or leave the episode out"});
}

}  // namespace roboimi
