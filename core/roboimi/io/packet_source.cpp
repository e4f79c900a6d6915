#include "roboimi/io/packet_source.h"

#include <utility>

#include "roboimi/common/lfs_pointer.h"
#include "roboimi/io/video_completeness.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExpected = "an MP4, MOV or Matroska video";

VideoPacket described(const AVPacket& packet) {
  return {.pts = packet.pts,
          .dts = packet.dts,
          .position = packet.pos,
          .duration = packet.duration,
          .is_keyframe = (packet.flags & AV_PKT_FLAG_KEY) != 0,
          .is_shown = (packet.flags & AV_PKT_FLAG_DISCARD) == 0};
}

// Corrections of the index change the flags of a packet, but not these.
bool is_same(const VideoPacket& a, const VideoPacket& b) {
  return a.position == b.position && a.pts == b.pts && a.dts == b.dts;
}

// Whether the codec shows frames in the order in which it decodes them.
bool keeps_order(AVCodecID codec) {
  const AVCodecDescriptor* descriptor = avcodec_descriptor_get(codec);
  return descriptor != nullptr && (descriptor->props & AV_CODEC_PROP_REORDER) == 0;
}

}  // namespace

PacketSource::PacketSource(fs::path file)
    : file_(std::move(file)), first_(ffmpeg::allocated(av_packet_alloc())) {
  ffmpeg::silence();
  std::error_code missing;
  const std::uintmax_t size = fs::file_size(file_, missing);
  if (missing) {
    throw Error({.what = "cannot open the video: " + missing.message(), .where = file_.string()});
  }
  if (size == 0) {
    throw Error({.what = "cannot open the video",
                 .where = file_.string(),
                 .expected = kExpected,
                 .found = "an empty file of 0 bytes",
                 .next = "copy or record it again"});
  }
  refuse_lfs_pointer(file_, "cannot open the video", kExpected);
  check_video_is_complete(file_);
  sparse_ = std::make_unique<SparseInput>(file_);
  open();
}

// Opens the file at its start, after list() with its frames.
void PacketSource::open() {
  input_.reset();
  if (has_list_ && sparse_) {
    if (sparse_->is_fragmented()) {
      sparse_->include_frames();
    } else {
      sparse_.reset();
    }
  }
  // Packets as the container stores them: parsers would add and change time stamps.
  AVFormatContext* context = ffmpeg::allocated(avformat_alloc_context());
  context->flags |= AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN;
  if (sparse_) context->pb = sparse_->context();
  AVDictionary* options = nullptr;
  av_dict_set(&options, "format_whitelist", "mov,matroska,avi", 0);
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  const int status = avformat_open_input(&context, ffmpeg::url(file_).c_str(), nullptr, &options);
  av_dict_free(&options);
  if (status == AVERROR(EACCES)) {
    throw Error({.what = "cannot open the video: " + ffmpeg::reason(status),
                 .where = file_.string(),
                 .next = "check the permissions of the file"});
  }
  if (status < 0) {
    throw Error({.what = "cannot open the video",
                 .where = file_.string(),
                 .expected = kExpected,
                 .found = "FFmpeg: " + ffmpeg::reason(status),
                 .next = "if a player shows it, convert it with ffmpeg -i IN -c copy OUT.mp4; "
                         "otherwise copy or record it again"});
  }
  input_.reset(context);
  find_stream();
  has_first_ = false;
}

// The first video stream that is not a cover image; other streams are skipped.
void PacketSource::find_stream() {
  stream_ = nullptr;
  for (unsigned i = 0; i < input_->nb_streams; ++i) {
    AVStream* const stream = input_->streams[i];
    const bool is_video = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
                          (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0;
    if (is_video && stream_ == nullptr) {
      stream_ = stream;
    } else {
      stream->discard = AVDISCARD_ALL;
    }
  }
  if (stream_ == nullptr) {
    throw Error({.what = "the file has no video stream",
                 .where = file_.string(),
                 .expected = kExpected,
                 .found = std::to_string(input_->nb_streams) + " other streams"});
  }
}

bool PacketSource::next(AVPacket& packet) {
  if (has_first_) {
    has_first_ = false;
    av_packet_move_ref(&packet, first_.get());
    return true;
  }
  while (true) {
    av_packet_unref(&packet);
    const int status = av_read_frame(input_.get(), &packet);
    if (status == AVERROR_EOF) return false;
    if (status < 0) {
      throw Error({.what = "cannot read the video: " + ffmpeg::reason(status),
                   .where = file_.string(),
                   .next = "the file is damaged: copy or record it again"});
    }
    if (packet.stream_index != stream_->index) continue;
    // AVI files have decoding times only.
    if (packet.pts == AV_NOPTS_VALUE && keeps_order(stream_->codecpar->codec_id)) {
      packet.pts = packet.dts;
    }
    return true;
  }
}

std::vector<VideoPacket> PacketSource::list() {
  const std::uint64_t file_size = fs::file_size(file_);
  std::uint64_t listed = 0;
  const ffmpeg::Packet packet(ffmpeg::allocated(av_packet_alloc()));
  std::vector<VideoPacket> packets;
  while (next(*packet)) {
    const std::string number = std::to_string(packets.size());
    if (packet->pts == AV_NOPTS_VALUE) {
      throw Error({.what = "packet " + number + " of the video has no presentation time",
                   .where = file_.string(),
                   .expected = "a time stamp for every frame",
                   .next = "convert the file to MP4: ffmpeg -i IN OUT.mp4"});
    }
    if ((packet->flags & AV_PKT_FLAG_CORRUPT) != 0) {
      throw Error({.what = "packet " + number + " of the video is cut off",
                   .where = file_.string(),
                   .found = std::to_string(packet->size) + " bytes of it",
                   .next = "copy or record the video again"});
    }
    // An index may refer to the same bytes again and again, so that the list would have no end.
    listed += static_cast<std::uint64_t>(packet->size) + sizeof(VideoPacket);
    if (listed / 16 > file_size) {
      throw Error({.what = "the video's index lists too many packets",
                   .where = file_.string(),
                   .expected = "an index of a file of " + std::to_string(file_size) + " bytes",
                   .found = std::to_string(packets.size() + 1) + " packets or more",
                   .next = "the file is damaged: copy or record it again"});
    }
    packets.push_back(described(*packet));
  }
  input_.reset();
  has_list_ = true;
  open();
  return packets;
}

// Reads up to packet `to`, if the next packet is `from`. False if the file has different packets
// there.
bool PacketSource::skip(const std::vector<VideoPacket>& packets, std::int64_t from,
                        std::int64_t to) {
  for (std::int64_t i = from; i < to; ++i) {
    if (!next(*first_)) return false;
  }
  if (!is_same(described(*first_), packets[std::size_t(to)])) return false;
  has_first_ = true;
  return true;
}

// Seeks with the container's own index. False if that leads to another packet.
bool PacketSource::seek_near(const std::vector<VideoPacket>& packets, std::int64_t number) {
  const VideoPacket& target = packets[std::size_t(number)];
  const std::int64_t stamp = target.dts == AV_NOPTS_VALUE ? target.pts : target.dts;
  has_first_ = false;
  if (av_seek_frame(input_.get(), stream_->index, stamp, AVSEEK_FLAG_BACKWARD) < 0) return false;
  if (!next(*first_)) return false;
  // The seek ends at the packet or before it.
  const VideoPacket found = described(*first_);
  for (std::int64_t i = number; i >= 0; --i) {
    if (is_same(packets[std::size_t(i)], found)) return skip(packets, i, number);
  }
  return false;
}

void PacketSource::seek(const std::vector<VideoPacket>& packets, std::int64_t number) {
  if (seek_near(packets, number)) return;
  // Some files' indexes are not sorted: read from the start, as list() did.
  open();
  if (next(*first_) && skip(packets, 0, number)) return;
  throw Error({.what = "the video has changed since it was opened",
               .where = file_.string(),
               .expected = "the same packet " + std::to_string(number),
               .found = "another packet",
               .next = "do not write to a dataset while it is in use"});
}

}  // namespace roboimi
