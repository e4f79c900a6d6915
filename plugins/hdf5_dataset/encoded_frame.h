// Decoding of frames that are stored as JPEG or PNG bytes.
//
// Recorders that compress frames (ACT, RoboTwin, RDT) pass arrays to cv2.imencode, which interprets
// the channels as blue, green, red, and read them with cv2.imdecode, which returns the same array.
// This decoder does the same: its channels are in the reverse order of an RGB decoder's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "roboimi/contract/observation.h"

namespace roboimi::hdf5_dataset {

// The array that was passed to cv2.imencode, uint8 [H, W, 3]. Bytes after the end of the image are
// ignored as padding. An Error names the file, the camera and the row.
at::Tensor decode_frame(std::span<const std::uint8_t> bytes, const std::filesystem::path& file,
                        const std::string& camera, std::int64_t row);

// The size in the header of a JPEG or PNG, without decoding it; empty for other bytes.
std::optional<ImageSize> encoded_size(std::span<const std::uint8_t> bytes);

}  // namespace roboimi::hdf5_dataset
