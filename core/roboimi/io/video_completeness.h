// Checks that a video file is complete, based on the sizes that it states.
//
// FFmpeg reports a recording that was never closed and a copy that was cut off as "invalid data",
// or silently reads the remaining frames.
#pragma once

#include <filesystem>

namespace roboimi {

// Throws Error for an MP4 or MOV file without an index (moov box) or with two of them, and if an
// MP4, MOV or Matroska file is shorter than it states. Other formats are not checked. Reads a few
// bytes.
void check_video_is_complete(const std::filesystem::path& file);

}  // namespace roboimi
