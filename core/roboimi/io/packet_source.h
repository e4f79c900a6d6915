// The packets of a video file's first video stream: listed once, then readable from any packet on.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "roboimi/io/ffmpeg.h"
#include "roboimi/io/sparse_input.h"
#include "roboimi/io/video_index.h"

namespace roboimi {

class PacketSource {
 public:
  // Throws Error if the file is not an MP4, MOV, Matroska or AVI file, is incomplete, or has no
  // video stream. Playlists and network addresses inside files are not followed.
  explicit PacketSource(std::filesystem::path file);

  const std::filesystem::path& file() const { return file_; }
  const AVCodecParameters& codec_parameters() const { return *stream_->codecpar; }
  TimeBase time_base() const { return {stream_->time_base.num, stream_->time_base.den}; }

  // All packets in decoding order. Of MP4 and MOV files, only the index is read, of others
  // everything. Throws Error if a packet has no presentation time or is cut off.
  std::vector<VideoPacket> list();

  // After list(): the next call of next() returns `packets[number]`, where `packets` is the result
  // of list().
  void seek(const std::vector<VideoPacket>& packets, std::int64_t number);
  // After list(): reads the next packet. False at the end of the file.
  bool next(AVPacket& packet);

 private:
  void open();
  void find_stream();
  bool seek_near(const std::vector<VideoPacket>& packets, std::int64_t number);
  bool skip(const std::vector<VideoPacket>& packets, std::int64_t from, std::int64_t to);

  std::filesystem::path file_;
  // While the packets are listed; of a fragmented file, also later.
  std::unique_ptr<SparseInput> sparse_;
  bool has_list_ = false;
  ffmpeg::Input input_;
  AVStream* stream_ = nullptr;
  ffmpeg::Packet first_;  // after seek(): the packet that next() returns first
  bool has_first_ = false;
};

}  // namespace roboimi
