#include "plugins/lerobot_dataset/image_frames.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <span>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "plugins/lerobot_dataset/data_column.h"
#include "plugins/lerobot_dataset/folder_listing.h"
#include "plugins/lerobot_dataset/jpeg_orientation.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/lfs_pointer.h"
#include "roboimi/common/text.h"
#include "roboimi/io/foreign_image.h"
#include "roboimi/io/image.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] = "a PNG or a JPEG";

// The encoded images of a range of rows.
class Images {
 public:
  Images(const parquet::Reader& reader, const fs::path& folder, const std::string& feature,
         std::int64_t first, std::int64_t count)
      : reader_(reader), folder_(folder), feature_(feature), first_(first) {
    // A struct of bytes and path, or the bytes alone.
    const bool is_struct = reader.find(feature + ".bytes") != nullptr;
    bytes_ = strings(is_struct ? feature + ".bytes" : feature, count);
    if (is_struct && reader.find(feature + ".path") != nullptr) {
      paths_ = strings(feature + ".path", count);
    }
  }

  bool is_stored(std::int64_t i) const { return !bytes_[static_cast<std::size_t>(i)].empty(); }

  // The image of the i-th row of the range.
  at::Tensor decoded(std::int64_t i) const {
    return located(i, [&] {
      if (is_stored(i)) return decode(bytes_[static_cast<std::size_t>(i)]);
      const fs::path file = path_of(i);
      refuse_lfs_pointer(file, "cannot decode the image", kExpected);
      return decode(read_text(file));
    });
  }

  // Throws Error if the i-th row of the range names a file that is missing.
  void require_file(std::int64_t i) const {
    if (is_stored(i)) return;
    located(i, [&] {
      const fs::path file = path_of(i);
      if (!can_be_found(file)) {
        throw Error({.what = "the file of the image is missing", .where = file.string()});
      }
      refuse_lfs_pointer(file, "cannot decode the image", kExpected);
    });
  }

 private:
  // Calls `use`, whose Error gets the row.
  template <typename Use>
  std::invoke_result_t<Use> located(std::int64_t i, const Use& use) const {
    try {
      return use();
    } catch (const Error& error) {
      Error::Parts parts = error.parts();
      parts.what = fmt::format("row {} of camera '{}': {}", first_ + i, feature_, parts.what);
      if (parts.where.empty()) parts.where = reader_.file().string();
      if (parts.next.empty()) {
        parts.next =
            "copy or record the data again, or leave the episode out: data.episodes, or "
            "data.unreadable=skip";
      }
      throw Error(std::move(parts));
    }
  }

  std::vector<std::string> strings(const std::string& column, std::int64_t count) const {
    parquet::Values values = reader_.read(column, first_, count);
    auto* const texts = std::get_if<std::vector<std::string>>(&values.values);
    if (texts != nullptr && values.offsets.empty()) return std::move(*texts);
    throw Error({.what = fmt::format("the column '{}' holds no encoded images", column),
                 .where = reader_.file().string(),
                 .expected = "the bytes of a PNG or a JPEG per row",
                 .found = reader_.find(column)->type_name,
                 .next = fmt::format("leave the camera '{}' out of data.camera_names", feature_)});
  }

  // The file that a row names, which must lie in the dataset.
  fs::path path_of(std::int64_t i) const {
    const std::string name = paths_.empty() ? "" : paths_[static_cast<std::size_t>(i)];
    if (name.empty()) throw Error({.what = "there is neither an image nor the name of one"});
    const fs::path relative = fs::path(name).lexically_normal();
    if (relative.is_absolute() || *relative.begin() == "..") {
      throw Error({.what = "the image lies outside the dataset", .found = printable(name)});
    }
    return folder_ / relative;
  }

  static at::Tensor decode(std::string_view bytes) {
    const std::span<const std::uint8_t> data(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                             bytes.size());
    switch (image_format(data)) {
      case ImageFormat::kJpeg:
        return upright(decode_jpeg(data), jpeg_orientation(data));
      case ImageFormat::kPng:
        return decode_png(data);
      case ImageFormat::kDeepPng:
        throw Error({.what = "cannot decode the image",
                     .expected = "8 bits per channel",
                     .found = "a 16-bit PNG, as used for depth",
                     .next = "leave the camera out of data.camera_names"});
      case ImageFormat::kOther:
        break;
    }
    throw Error({.what = "cannot decode the image",
                 .expected = kExpected,
                 .found = foreign_image_name(data),
                 .next = "store the images of the camera as PNG or JPEG, or leave it out of "
                         "data.camera_names"});
  }

  const parquet::Reader& reader_;
  const fs::path& folder_;
  const std::string& feature_;
  std::int64_t first_;
  std::vector<std::string> bytes_, paths_;
};

}  // namespace

at::Tensor read_image_frames(const parquet::Reader& reader, const fs::path& folder,
                             const std::string& feature, std::int64_t first, std::int64_t count,
                             ImageSize size) {
  const Images images(reader, folder, feature, first, count);
  at::Tensor frames = at::empty({count, size.height, size.width, 3}, at::kByte);
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const at::Tensor frame = images.decoded(i);
      if (frame.size(0) != size.height || frame.size(1) != size.width) {
        throw Error(
            {.what = fmt::format("row {} of camera '{}' has a different size", first + i, feature),
             .where = reader.file().string(),
             .expected = fmt::format("{}x{}", size.height, size.width),
             .found = fmt::format("{}x{}", frame.size(0), frame.size(1)),
             .next = "store frames of different sizes in different datasets"});
      }
      frames[i].copy_(frame);
    }
  });
  return frames;
}

ImageSize image_size_of_row(const parquet::Reader& reader, const fs::path& folder,
                            const std::string& feature, std::int64_t row) {
  const at::Tensor frame = Images(reader, folder, feature, row, 1).decoded(0);
  return {.height = frame.size(0), .width = frame.size(1)};
}

ImageSize checked_image_size(const parquet::Reader& reader, const fs::path& folder,
                             const std::string& feature, std::int64_t first, std::int64_t count) {
  if (reader.find(feature) == nullptr && reader.find(feature + ".bytes") == nullptr) {
    throw missing_column(reader, feature);
  }
  const Images start(reader, folder, feature, first, 1);
  const at::Tensor frame = start.decoded(0);
  // Reading the images of all rows would take as long as the training's first epoch.
  if (!start.is_stored(0)) {
    const Images all(reader, folder, feature, first, count);
    for (std::int64_t i = 0; i < count; ++i) all.require_file(i);
  }
  return {.height = frame.size(0), .width = frame.size(1)};
}

}  // namespace roboimi::lerobot_dataset
