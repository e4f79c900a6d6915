// Field numbers of TensorBoard's event.proto and summary.proto. Internal to track.
#pragma once

namespace roboimi {

inline constexpr int kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3, kEventSummary = 5,
                     kEventSessionLog = 7;
inline constexpr int kSummaryValue = 1;
inline constexpr int kValueTag = 1, kValueSimpleValue = 2, kValueImage = 4;
inline constexpr int kImageHeight = 1, kImageWidth = 2, kImageColorspace = 3, kImageEncoded = 4;
inline constexpr int kSessionLogStatus = 1, kSessionLogStart = 1;

}  // namespace roboimi
