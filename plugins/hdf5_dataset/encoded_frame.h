// Frames stored as JPEG or PNG bytes.
//
// Recorders that compress frames (ACT, RoboTwin, RDT) hand arrays to cv2.imencode, which takes the
// channels for blue, green, red, and read them with cv2.imdecode, which gives the same array back.
// So does this: the channels come in the reverse of the order that an RGB decoder gives.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace roboimi::hdf5_dataset {

// uint8 [H, W, 3], the array that was given to cv2.imencode. Bytes after the image's end are
// padding. An Error names the file, the camera and the row.
at::Tensor decode_frame(std::span<const std::uint8_t> bytes, const std::filesystem::path& file,
                        const std::string& camera, std::int64_t row);

}  // namespace roboimi::hdf5_dataset
