// Tests of TensorBoardFile; TensorBoard's own reader reads the event files.
#include "roboimi/track/tensorboard_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

class TensorBoardFileTest : public ::testing::Test {
 protected:
  TensorBoardFileTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "events");
  }
  ~TensorBoardFileTest() override { fs::remove_all(folder_); }

  nlohmann::json read_by_tensorboard() const {
    const std::string command = std::string(ROBOIMI_SOURCE_DIR "/.venv/bin/python ") +
                                ROBOIMI_SOURCE_DIR "/tests/reference/read_tensorboard.py " +
                                (folder_ / "events").string() + " > " +
                                (folder_ / "read.json").string();
    // Do not preload the sanitizer of this test into Python.
    EXPECT_EQ(std::system(("env -u LD_PRELOAD " + command).c_str()), 0);
    return nlohmann::json::parse(read_text(folder_ / "read.json"));
  }

  fs::path write_png(unsigned width, unsigned height) const {
    const fs::path path = folder_ / "image.png";
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = width;
    image.height = height;
    image.format = PNG_FORMAT_RGB;
    const std::vector<std::uint8_t> pixels(std::size_t{3} * width * height, 200);
    EXPECT_NE(png_image_write_to_file(&image, path.c_str(), 0, pixels.data(), 0, nullptr), 0);
    return path;
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_tensorboard_file_test";
};

TEST_F(TensorBoardFileTest, IsReadByTensorBoard) {
  TensorBoardFile file(folder_ / "events");
  file.scalars(1, {{"train/loss", 0.5}, {"train/learning_rate", 1e-4}});
  file.scalars(300, {{"train/loss", -0.25}});
  const fs::path png = write_png(300, 7);
  file.image(300, "rollout/trajectory_000", png);
  file.flush();
  const auto read = read_by_tensorboard();
  EXPECT_EQ(read["scalars"]["train/loss"], nlohmann::json::parse("[[1, 0.5], [300, -0.25]]"));
  EXPECT_NEAR(read["scalars"]["train/learning_rate"][0][1].get<double>(), 1e-4, 1e-11);
  const auto& image = read["images"]["rollout/trajectory_000"][0];
  EXPECT_EQ(image, nlohmann::json({300, 300, 7, fs::file_size(png)}));
}

TEST_F(TensorBoardFileTest, ReplacesLaterStepsInAResumedRun) {
  {
    TensorBoardFile first(folder_ / "events");
    for (int step = 10; step <= 50; step += 10) first.scalars(step, {{"loss", 1.0}});
  }
  // TensorBoard orders files by the time in their names, in seconds.
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  TensorBoardFile resumed(folder_ / "events", 30);
  resumed.scalars(40, {{"loss", 2.0}});
  EXPECT_EQ(read_by_tensorboard()["scalars"]["loss"],
            nlohmann::json::parse("[[10, 1.0], [20, 1.0], [30, 1.0], [40, 2.0]]"));
}

TEST_F(TensorBoardFileTest, IsCutBackToTheCheckpointAndLosesAnIncompleteEnd) {
  fs::path path;
  {
    TensorBoardFile first(folder_ / "events");
    path = first.path();
    first.scalars(10, {{"loss", 1.0}});
    first.scalars(20, {{"loss", 2.0}});
    first.image(20, "rollout/trajectory_000", write_png(3, 4));
    first.scalars(20, {{"rollout/success_rate", 1.0}});
  }
  const std::string whole = read_text(path);
  cut_events_back(folder_ / "events", 20, /*rolled_out=*/true);
  EXPECT_TRUE(read_text(path) == whole);
  std::ofstream(path, std::ios::app) << whole.substr(0, 30);  // an incomplete record
  cut_events_back(folder_ / "events", 20, /*rolled_out=*/true);
  EXPECT_TRUE(read_text(path) == whole);

  cut_events_back(folder_ / "events", 20, /*rolled_out=*/false);
  const auto read = read_by_tensorboard();
  EXPECT_EQ(read["scalars"], nlohmann::json::parse(R"({"loss": [[10, 1.0], [20, 2.0]]})"));
  EXPECT_TRUE(read["images"].empty());
  cut_events_back(folder_ / "events", 10, /*rolled_out=*/true);
  EXPECT_EQ(read_by_tensorboard()["scalars"], nlohmann::json::parse(R"({"loss": [[10, 1.0]]})"));
}

TEST_F(TensorBoardFileTest, RejectsAnImageThatIsNotPng) {
  std::ofstream(folder_ / "image.png") << "JPEG";
  TensorBoardFile file(folder_ / "events");
  EXPECT_THROW(file.image(1, "x", folder_ / "image.png"), Error);
}

}  // namespace
}  // namespace roboimi
