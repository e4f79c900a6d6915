// Interoperability with h5py: episodes that it wrote (tests/reference/act_episodes.py).
#include "plugins/hdf5_dataset/hdf5_dataset.h"

#include <gmock/gmock.h>

#include <thread>

#include "plugins/hdf5_dataset/hdf5_episode_writer.h"
#include "plugins/hdf5_dataset/hdf5_file.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/data/frame_store.h"
#include "tests/error_text.h"
#include "tests/plugins/hdf5_dataset/act_episodes.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(const DatasetOptions& options) {
  try {
    const Hdf5Dataset dataset(options);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("\n")));
    return error.what();
  }
  return "";
}

using Hdf5DatasetTest = ActEpisodes;

TEST_F(Hdf5DatasetTest, OpensActFilesWithFloat64InNumericOrder) {
  const Hdf5Dataset dataset(options("plain"));
  ASSERT_EQ(dataset.num_episodes(), 3);
  EXPECT_EQ(dataset.episode(1).file.filename(), "episode_2.hdf5");
  EXPECT_EQ(dataset.episode(2).file.filename(), "episode_10.hdf5");
  EXPECT_FALSE(dataset.episode(0).seed.has_value());
  EXPECT_FALSE(dataset.episode(0).success.has_value());
  EXPECT_EQ(dataset.episode(0).length, kLength);
  EXPECT_THAT(dataset.spec().camera_names(), ElementsAre("top", "front"));
  EXPECT_EQ(dataset.spec().image_size("top"), (ImageSize{kHeight, kWidth}));
  EXPECT_EQ(dataset.spec().state_dim(), kStateDim);
  EXPECT_EQ(dataset.spec().env_state_dim(), 0);
  EXPECT_FALSE(dataset.env_state(0).defined());
  expect_tables(dataset, 1);
  EXPECT_TRUE(at::equal(dataset.read(1, "top", 2, 3), frames("top").slice(0, 2, 5)));
}

TEST_F(Hdf5DatasetTest, PairsRowsOfARealRobotWithThePreviousActionLikeAct) {
  const Hdf5Dataset dataset({.path = folder("plain"), .camera_names = {"top"}});
  const at::Tensor recorded = table(100, kStateDim);
  EXPECT_TRUE(at::equal(dataset.actions(0), recorded)) << "its attribute `sim` is true";
  EXPECT_TRUE(at::equal(dataset.actions(1)[0], recorded[0]));
  EXPECT_TRUE(at::equal(dataset.actions(1).slice(0, 1), recorded.slice(0, 0, -1)));
  EXPECT_TRUE(at::equal(Hdf5Dataset(options("plain")).actions(1), recorded)) << "turned off";
}

TEST_F(Hdf5DatasetTest, RejectsStreamsThatItCannotStoreOrFind) {
  EpisodeRecord episode = record(false);
  episode.streams.push_back(depth_stream("top_depth", {4, 5}, at::kUInt16, "m"));
  episode.observations["top_depth"] = at::zeros({kLength, 4, 5}, at::kUInt16);
  EXPECT_THAT(
      error_text([&] { Hdf5EpisodeWriter({}).write(folder("never/episode_0.hdf5"), episode); }),
      HasSubstr("camera 'top_depth' cannot be written as an episode: expected UInt16 in mm; found "
                "in m"));
  EXPECT_THAT(
      error_of({.path = folder("plain"), .camera_names = {}, .stream_names = {"images/top"}}),
      HasSubstr("'/observations/images/top' is not a stream"));
}

TEST_F(Hdf5DatasetTest, MemoryMapsPlainFramesInTheFile) {
  const auto dataset = std::make_shared<Hdf5Dataset>(options("plain"));
  const FrameStore store(dataset, {"top", "front"}, {.folder = folder("unused")});
  EXPECT_EQ(store.num_mapped_in_place(), store.num_frames());
  EXPECT_FALSE(fs::exists(folder("unused")));
  for (std::int64_t row = 0; row < kLength; ++row) {
    for (const std::string camera : {"top", "front"}) {
      EXPECT_TRUE(at::equal(store.frame({2, row}, camera), dataset->read(2, camera, row, 1)[0]));
      EXPECT_TRUE(at::equal(store.frame({2, row}, camera), frames(camera)[row]));
    }
  }
}

TEST_F(Hdf5DatasetTest, MapsContiguousAndMultiRowChunksAndReadsFilteredOnes) {
  const auto dataset = std::make_shared<Hdf5Dataset>(DatasetOptions{
      .path = folder("contiguous"), .camera_names = {"front", "top", "zipped", "tiled"}});
  EXPECT_TRUE(dataset->frame_extent(0, "front", 5).has_value());
  EXPECT_TRUE(dataset->frame_extent(0, "top", 5).has_value());
  EXPECT_FALSE(dataset->frame_extent(0, "zipped", 0).has_value());
  EXPECT_FALSE(dataset->frame_extent(0, "tiled", 0).has_value());
  const FrameStore store(dataset, dataset->spec().camera_names(), {.folder = folder("decoded")});
  EXPECT_EQ(store.num_mapped_in_place(), 2 * kLength);
  for (const std::string camera : {"front", "top", "zipped", "tiled"}) {
    for (std::int64_t row = 0; row < kLength; ++row) {
      EXPECT_TRUE(at::equal(store.frame({0, row}, camera), frames(camera)[row])) << camera << row;
    }
  }
  EXPECT_EQ(dataset->spec().env_state_dim(), 3);
  EXPECT_TRUE(at::equal(dataset->env_state(0), table(7, 3)));
}

TEST_F(Hdf5DatasetTest, DecodesCompressedFramesInOpenCvsChannelOrder) {
  for (const std::string name : {"padded", "variable"}) {
    const Hdf5Dataset dataset(options(name));
    expect_tables(dataset, 0);
    for (const std::string camera : {"front", "top"}) {
      const std::string raw = read_text(folder(name) / ("decoded_" + camera + ".raw"));
      const at::Tensor expected =
          at::from_blob(const_cast<char*>(raw.data()), {kLength, kHeight, kWidth, 3}, at::kByte);
      const at::Tensor decoded = dataset.read(0, camera, 0, kLength);
      EXPECT_TRUE(at::equal(decoded, expected)) << name << " " << camera;
      EXPECT_LE((decoded.to(at::kInt) - smooth_frames(camera).to(at::kInt)).abs().max().item<int>(),
                12);
      EXPECT_FALSE(dataset.frame_extent(0, camera, 0).has_value());
    }
  }
}

TEST_F(Hdf5DatasetTest, NamesAMissingCameraTheFileAndTheCamerasThatExist) {
  const std::string error =
      error_of({.path = folder("plain"), .camera_names = {"front", "frnt", "top"}});
  EXPECT_THAT(error, HasSubstr("episode_0.hdf5"));
  EXPECT_THAT(error, HasSubstr("camera 'frnt' is missing"));
  EXPECT_THAT(error, HasSubstr("found front, top"));
  EXPECT_THAT(error, HasSubstr("did you mean 'front'?"));
}

TEST_F(Hdf5DatasetTest, RejectsTruncatedAndForeignFilesByName) {
  fs::create_directories(folder("broken"));
  fs::copy(folder("plain/episode_0.hdf5"), folder("broken/episode_0.hdf5"));
  fs::copy(folder("plain/episode_2.hdf5"), folder("broken/episode_1.hdf5"));
  fs::resize_file(folder("broken/episode_1.hdf5"),
                  fs::file_size(folder("broken/episode_1.hdf5")) / 2);
  testing::internal::CaptureStderr();
  const std::string truncated = error_of(options("broken"));
  EXPECT_THAT(truncated, HasSubstr("broken/episode_1.hdf5"));
  EXPECT_THAT(truncated, HasSubstr("truncated file"));
  EXPECT_THAT(truncated, HasSubstr("copy the file again"));

  write_text_atomically(folder("broken/episode_1.hdf5"), "not an HDF5 file at all");
  EXPECT_THAT(error_of(options("broken")), HasSubstr("episode_1.hdf5: not an HDF5 file"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "HDF5 must not print its messages";
}

TEST_F(Hdf5DatasetTest, ListsTheContentsOfAFolderWithoutEpisodes) {
  EXPECT_THAT(error_of({.path = folder("nowhere")}), HasSubstr("no such folder or file"));
  fs::create_directories(folder("empty/sub"));
  EXPECT_THAT(error_of({.path = folder("empty")}), HasSubstr("found 1 entries with other names"));
}

TEST_F(Hdf5DatasetTest, RejectsEpisodesThatDoNotMatchEachOther) {
  const Hdf5EpisodeWriter writer({});
  writer.write(folder("mixed/episode_0.hdf5"), record(false));
  EpisodeRecord other = record(false);
  other.actions = table(100, kStateDim + 1);
  writer.write(folder("mixed/episode_1.hdf5"), other);
  const std::string error = error_of(options("mixed"));
  EXPECT_THAT(error, HasSubstr("mixed/episode_1.hdf5: the episode does not match the others"));
  EXPECT_THAT(error, HasSubstr("action 14"));
  EXPECT_THAT(error, HasSubstr("action 15"));
  EXPECT_EQ(
      Hdf5Dataset({.path = folder("mixed"), .camera_names = {}, .max_episodes = 1}).num_episodes(),
      1);
}

TEST_F(Hdf5DatasetTest, LeavesOutEpisodesThatCannotBeReadIfAsked) {
  const Hdf5EpisodeWriter writer({});
  for (int i = 0; i < 4; ++i) {
    writer.write(folder("partial/episode_" + std::to_string(i) + ".hdf5"), record(false));
  }
  write_text_atomically(folder("partial/episode_0.hdf5"), "not an HDF5 file at all");
  fs::resize_file(folder("partial/episode_2.hdf5"), 4000);
  EpisodeRecord other = record(false);
  other.actions = table(100, kStateDim + 1);
  writer.write(folder("partial/episode_3.hdf5"), other);
  DatasetOptions chosen = options("partial");
  EXPECT_THAT(error_of(chosen), HasSubstr("episode_0.hdf5: not an HDF5 file"));
  chosen.unreadable = Unreadable::kSkip;
  const Hdf5Dataset dataset(chosen);
  ASSERT_EQ(dataset.num_episodes(), 1);
  EXPECT_EQ(dataset.episode(0).file.filename(), "episode_1.hdf5");
  expect_tables(dataset, 0);
  EXPECT_THAT(dataset.left_out(), ElementsAre(HasSubstr("episode_0.hdf5: not an HDF5 file"),
                                              HasSubstr("episode_2.hdf5: the file is cut off"),
                                              HasSubstr("episode_3.hdf5: the episode does not")));
  // A dataset without episodes is an error.
  chosen.episodes = {"0", "2"};
  EXPECT_THAT(error_of(chosen), HasSubstr("episode_2.hdf5: the file is cut off"));
}

TEST_F(Hdf5DatasetTest, SelectsEpisodesByTheNumbersOfTheirFiles) {
  for (const char* number : {"0", "2", "3", "10"}) {
    Hdf5EpisodeWriter({}).write(folder("numbers/episode_" + std::string(number) + ".hdf5"),
                                record(false));
  }
  const auto names = [](const std::vector<std::string>& episodes) {
    const Hdf5Dataset dataset({.path = folder("numbers"), .episodes = episodes});
    std::string text;
    for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
      text += dataset.episode(i).file.stem().string() + " ";
    }
    return text;
  };
  EXPECT_EQ(names({}), "episode_0 episode_2 episode_3 episode_10 ");
  EXPECT_EQ(names({"1-3", "10"}), "episode_2 episode_3 episode_10 ");
  EXPECT_THAT(error_text([&] { names({"4-9"}); }),
              HasSubstr("there is no episode 4-9: expected one of 0, 2-3, 10"));
}

TEST_F(Hdf5DatasetTest, NamesAMissingTable) {
  write_text_atomically(folder("nothing/skip"), "");
  ASSERT_EQ(std::system((ROBOIMI_SOURCE_DIR "/.venv/bin/python -c \"import h5py; h5py.File('" +
                         folder("nothing/episode_0.hdf5").string() + "', 'w')\"")
                            .c_str()),
            0);
  const std::string error = error_of(options("nothing"));
  EXPECT_THAT(error, HasSubstr("the file has no '/observations/qpos'"));
  EXPECT_THAT(error, HasSubstr("ACT's layout"));
  EXPECT_THAT(error, HasSubstr("file.move(OLD, '/observations/qpos')"));
}

TEST_F(Hdf5DatasetTest, CanBeReadBySeveralThreadsAtOnce) {
  const Hdf5Dataset dataset(options("plain"));
  std::vector<std::thread> threads;
  std::atomic<int> equal = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (std::int64_t row = 0; row < kLength; ++row) {
        equal +=
            at::equal(dataset.read(row % 3, "top", row, 1), frames("top").slice(0, row, row + 1));
        equal += at::equal(dataset.state(row % 3), table(0, kStateDim));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, 48);
}

}  // namespace
}  // namespace roboimi::hdf5_dataset
