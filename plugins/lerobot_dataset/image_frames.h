// Frames of an image feature, stored in the data files as PNG or JPEG bytes or as names of files.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "roboimi/contract/observation.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::lerobot_dataset {

// Rows [first, first + count) of the feature: uint8 [count, H, W, 3], RGB, decoded in parallel.
// `folder`: the dataset's folder, to which names of files are relative. Throws Error, naming file
// and row, if a row has no image, or one that cannot be decoded or whose size is not `size`.
at::Tensor read_image_frames(const parquet::Reader& reader, const std::filesystem::path& folder,
                             const std::string& feature, std::int64_t first, std::int64_t count,
                             ImageSize size);

// The size of one row's image.
ImageSize image_size_of_row(const parquet::Reader& reader, const std::filesystem::path& folder,
                            const std::string& feature, std::int64_t row);

// The size of the first of these rows' images, if the rows have images as far as that is known
// without decoding them. Throws Error if the first row has no image, or one that cannot be decoded,
// or, if it names a file, if the file of any row is missing.
ImageSize checked_image_size(const parquet::Reader& reader, const std::filesystem::path& folder,
                             const std::string& feature, std::int64_t first, std::int64_t count);

}  // namespace roboimi::lerobot_dataset
