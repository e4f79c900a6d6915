// Episodes in ACT's layout: the records that roboimi writes, and the files that h5py writes
// (tests/reference/act_episodes.py) with the same contents.
#pragma once

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "plugins/hdf5_dataset/hdf5_dataset.h"
#include "roboimi/contract/episode_writer.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::hdf5_dataset {

inline constexpr std::int64_t kLength = 6, kStateDim = 14, kHeight = 16, kWidth = 24;
inline constexpr std::uint64_t kSeed = (std::uint64_t{1} << 63) + 17;

inline int python(const std::string& arguments) {
  const std::string command = ROBOIMI_SOURCE_DIR "/.venv/bin/python " ROBOIMI_SOURCE_DIR
                                                 "/tests/reference/act_episodes.py " +
                              arguments;
  return std::system(command.c_str());
}

inline at::Tensor table(double offset, std::int64_t width) {
  return (at::arange(kLength, at::kFloat).unsqueeze(1) +
          at::arange(width, at::kFloat).unsqueeze(0) / 16 + offset);
}

inline at::Tensor frames(const std::string& camera) {
  const auto axis = [](std::int64_t n, at::IntArrayRef shape) {
    return at::arange(n, at::kLong).view(shape);
  };
  const at::Tensor sum = 7 * axis(kLength, {-1, 1, 1, 1}) + 3 * axis(kHeight, {-1, 1, 1}) +
                         5 * axis(kWidth, {-1, 1}) + 11 * axis(3, {-1}) +
                         (camera == "top" ? 40 : 0);
  return sum.remainder(256).to(at::kByte);
}

inline at::Tensor smooth_frames(const std::string& camera) {
  const at::Tensor frames = at::zeros({kLength, kHeight, kWidth, 3}, at::kLong);
  frames.select(3, 0).copy_(200 + 8 * at::arange(kLength).view({-1, 1, 1}));
  frames.select(3, 1).copy_(4 * at::arange(kWidth) + (camera == "top" ? 20 : 0));
  frames.select(3, 2).fill_(10);
  return frames.to(at::kByte);
}

inline EpisodeRecord record(bool smooth) {
  EpisodeRecord record;
  for (const std::string camera : {"front", "top"}) {
    record.streams.push_back(rgb_stream(camera, {kHeight, kWidth}));
    record.observations[camera] = smooth ? smooth_frames(camera) : frames(camera);
  }
  record.streams.push_back(vector_stream(roboimi::kState, kStateDim));
  record.streams.push_back(vector_stream(roboimi::kEnvState, 3));
  record.observations[roboimi::kState] = table(0, kStateDim);
  record.observations[roboimi::kEnvState] = table(7, 3);
  record.labels = {{"box_position", table(40, 3)}, {"tip_position", table(50, 2)}};
  record.actions = table(100, kStateDim);
  record.control_hz = 20.0;
  record.seed = kSeed;
  record.success = true;
  return record;
}

// A folder with the episodes of h5py.
class ActEpisodes : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder();
    ASSERT_EQ(python("write " + (*folder_ / "").string()), 0) << "h5py and Pillow are needed";
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::filesystem::path folder(const std::string& name) { return *folder_ / name; }
  static DatasetOptions options(const std::string& name) {
    return {.path = folder(name), .camera_names = {"top", "front"}, .shift_real_actions = false};
  }
  static void expect_tables(const Dataset& dataset, std::int64_t episode) {
    EXPECT_TRUE(at::equal(dataset.state(episode), table(0, kStateDim)));
    EXPECT_TRUE(at::equal(dataset.actions(episode), table(100, kStateDim)));
    EXPECT_EQ(dataset.state(episode).scalar_type(), at::kFloat);
  }

 private:
  static inline ScratchFolder* folder_ = nullptr;
};

}  // namespace roboimi::hdf5_dataset
