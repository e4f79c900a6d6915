// The pixels of decoded frames, against those of LeRobot's decoders (tests/golden/videos.py).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/io/video_reader.h"

namespace roboimi {
namespace {

TEST(VideoPixels, EqualLerobotsDecodersForEveryCodecSizeAndColorSpace) {
  const std::filesystem::path folder = ROBOIMI_SOURCE_DIR "/tests/golden/videos";
  const nlohmann::json golden = nlohmann::json::parse(read_text(folder / "frames.json"));
  int num_frames = 0;
  for (const auto& [name, expected] : golden.at("videos").items()) {
    SCOPED_TRACE(name);
    VideoReader video(folder / name);
    const auto size = expected.at("size").get<std::vector<std::int64_t>>();
    EXPECT_EQ(video.size(), (ImageSize{.height = size.at(0), .width = size.at(1)}));
    const auto hashes = expected.at("frames").get<std::vector<std::string>>();
    ASSERT_EQ(video.num_frames(), static_cast<std::int64_t>(hashes.size()));
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const at::Tensor frame = video.read(static_cast<std::int64_t>(i), 1);
      EXPECT_EQ(Sha256().update(frame.const_data_ptr(), frame.nbytes()).hex(), hashes[i])
          << "frame " << i;
      ++num_frames;
    }
  }
  EXPECT_GT(num_frames, 90);
}

}  // namespace
}  // namespace roboimi
