// Checks that an MP4 file is complete, by its outermost boxes.
//
// FFmpeg reports a recording that was never closed and a copy that was cut off as "invalid data",
// or not at all.
#pragma once

#include <filesystem>

namespace roboimi {

// Throws Error if the file is an MP4 file without an index (moov box), with two of them, or with a
// box that is longer than the file. Other formats are not checked. Reads the boxes' headers only.
void check_mp4_is_complete(const std::filesystem::path& file);

}  // namespace roboimi
