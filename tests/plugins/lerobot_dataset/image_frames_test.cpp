// Images in data files, against what LeRobot reads; see tests/golden/lerobot/orientations.py.
#include "plugins/lerobot_dataset/image_frames.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "roboimi/io/parquet/writer.h"
#include "tests/error_text.h"
#include "tests/reference/run_reference.h"

namespace roboimi::lerobot_dataset {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string bytes_of(const json& hex) {
  const std::string text = hex.get<std::string>();
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

class ImageFrames : public ::testing::Test {
 protected:
  // A data file with an image.
  parquet::Reader table_of(const std::string& image) const {
    const std::filesystem::path file = folder_.path() / "rows.parquet";
    parquet::Writer writer(file, {{.name = "front.bytes", .type = parquet::Type::kByteArray}},
                           {.structs = {"front"}});
    writer.add_row_group({{.values = std::vector<std::string>{image}}});
    writer.close();
    return parquet::Reader(file);
  }
  at::Tensor frame(const std::string& image) const {
    const parquet::Reader table = table_of(image);
    const ImageSize size = image_size_of_row(table, folder_.path(), "front", 0);
    return read_image_frames(table, folder_.path(), "front", 0, 1, size)[0];
  }
  std::string error(const std::string& image) const {
    return error_text([&] { frame(image); });
  }

  ReferenceFolder folder_{"lerobot_images"};
  const json golden_ =
      json::parse(std::ifstream(ROBOIMI_SOURCE_DIR "/tests/golden/lerobot/orientations.json"));
};

TEST_F(ImageFrames, AreTurnedAsLerobotTurnsThem) {
  ASSERT_EQ(golden_.at("cases").size(), 18U);
  for (const json& expected : golden_.at("cases")) {
    const at::Tensor found = frame(bytes_of(expected.at("jpeg")));
    ASSERT_EQ(found.sizes().vec(), expected.at("shape").get<std::vector<std::int64_t>>());
    const std::int64_t bottom = found.size(0) - 4, right = found.size(1) - 4;
    const at::Tensor corners = at::stack({found[4][4], found[4][right], found[bottom][4]});
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t channel = 0; channel < 3; ++channel) {
        EXPECT_EQ(
            corners[i][channel].item<int>(),
            expected.at("corners")[static_cast<std::size_t>(i)][static_cast<std::size_t>(channel)]
                .get<int>());
      }
    }
  }
}

// Every prefix, so that lengths and offsets in the segments lie outside.
TEST_F(ImageFrames, WithDamagedOrientationAreReadOrRefused) {
  const std::string whole = bytes_of(golden_.at("cases")[12].at("jpeg"));
  for (std::size_t i = 2; i < 120; ++i) {
    EXPECT_NE(error(whole.substr(0, i)), "");
    for (const int bits : {0xff, 0x01, 0x80}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ bits);
      try {
        frame(changed);
      } catch (const Error&) {
      }
    }
  }
}

TEST_F(ImageFrames, OfOtherFormatsAreRefusedByName) {
  EXPECT_THAT(error(bytes_of(golden_.at("cmyk"))),
              AllOf(HasSubstr("row 0 of camera 'front': cannot decode a JPEG: it has four color "
                              "channels: expected RGB or gray; found CMYK"),
                    HasSubstr("convert the image to RGB")));
  EXPECT_THAT(error(bytes_of(golden_.at("webp"))),
              HasSubstr("row 0 of camera 'front': cannot decode the image: expected a PNG or a "
                        "JPEG; found WebP; store the images of the camera as PNG or JPEG, or "
                        "leave it out of data.camera_names"));
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
