// FFmpeg helpers shared by the video writer and reader: owners of its objects, conversion of its
// errors to Error, and file names in the form that it expects.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "roboimi/common/error.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

namespace roboimi::ffmpeg {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(&object);
  }
};
struct FreeScaler {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using Codec = std::unique_ptr<AVCodecContext, Free<avcodec_free_context>>;
using Frame = std::unique_ptr<AVFrame, Free<av_frame_free>>;
using Packet = std::unique_ptr<AVPacket, Free<av_packet_free>>;
using Input = std::unique_ptr<AVFormatContext, Free<avformat_close_input>>;
using Scaler = std::unique_ptr<SwsContext, FreeScaler>;

// Returns `object`, or throws Error if FFmpeg had no memory for it.
template <typename T>
T* allocated(T* object) {
  if (object == nullptr) throw Error("out of memory");
  return object;
}

// By default FFmpeg and its decoders print to stderr.
inline void silence() {
  static const bool once = (av_log_set_level(AV_LOG_QUIET), true);
  (void)once;
}

// FFmpeg's message for a negative status.
inline std::string reason(int status) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(status, text, sizeof(text));
  return text;
}

// FFmpeg 6.1 moved this property from a member to a flag.
inline bool is_keyframe(const AVFrame& frame) {
#ifdef AV_FRAME_FLAG_KEY
  return (frame.flags & AV_FRAME_FLAG_KEY) != 0;
#else
  return frame.key_frame != 0;
#endif
}

// The name of a local file. Without the prefix, "a:b/video.mp4" is a protocol.
inline std::string url(const std::filesystem::path& file) { return "file:" + file.string(); }

}  // namespace roboimi::ffmpeg
