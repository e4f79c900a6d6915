// Interoperability with h5py in both directions (tests/reference/act_episodes.py).
#include "plugins/hdf5_dataset/hdf5_dataset.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "plugins/hdf5_dataset/hdf5_episode_writer.h"
#include "plugins/hdf5_dataset/hdf5_file.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/data/frame_store.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kLength = 6, kQpos = 14, kHeight = 16, kWidth = 24;
constexpr std::uint64_t kSeed = (std::uint64_t{1} << 63) + 17;

int python(const std::string& arguments) {
  const std::string command = ROBOIMI_SOURCE_DIR "/.venv/bin/python " ROBOIMI_SOURCE_DIR
                                                 "/tests/reference/act_episodes.py " +
                              arguments;
  return std::system(command.c_str());
}

at::Tensor table(double offset, std::int64_t width) {
  return (at::arange(kLength, at::kFloat).unsqueeze(1) +
          at::arange(width, at::kFloat).unsqueeze(0) / 16 + offset);
}

at::Tensor frames(const std::string& camera) {
  const auto axis = [](std::int64_t n, at::IntArrayRef shape) {
    return at::arange(n, at::kLong).view(shape);
  };
  const at::Tensor sum = 7 * axis(kLength, {-1, 1, 1, 1}) + 3 * axis(kHeight, {-1, 1, 1}) +
                         5 * axis(kWidth, {-1, 1}) + 11 * axis(3, {-1}) +
                         (camera == "top" ? 40 : 0);
  return sum.remainder(256).to(at::kByte);
}

at::Tensor smooth_frames(const std::string& camera) {
  const at::Tensor frames = at::zeros({kLength, kHeight, kWidth, 3}, at::kLong);
  frames.select(3, 0).copy_(200 + 8 * at::arange(kLength).view({-1, 1, 1}));
  frames.select(3, 1).copy_(4 * at::arange(kWidth) + (camera == "top" ? 20 : 0));
  frames.select(3, 2).fill_(10);
  return frames.to(at::kByte);
}

EpisodeRecord record(bool smooth) {
  EpisodeRecord record;
  for (const std::string camera : {"front", "top"}) {
    record.streams.push_back(rgb_stream(camera, {kHeight, kWidth}));
    record.observations[camera] = smooth ? smooth_frames(camera) : frames(camera);
  }
  record.streams.push_back(vector_stream(roboimi::kState, kQpos));
  record.streams.push_back(vector_stream(roboimi::kEnvState, 3));
  record.observations[roboimi::kState] = table(0, kQpos);
  record.observations[roboimi::kEnvState] = table(7, 3);
  record.labels = {{"box_position", table(40, 3)}, {"tip_position", table(50, 2)}};
  record.actions = table(100, kQpos);
  record.control_hz = 20.0;
  record.seed = kSeed;
  record.success = true;
  return record;
}

std::string error_of(const DatasetOptions& options) {
  try {
    const Hdf5Dataset dataset(options);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("\n")));
    return error.what();
  }
  return "";
}

class Hdf5DatasetTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder();
    ASSERT_EQ(python("write " + (*folder_ / "").string()), 0) << "h5py and Pillow are needed";
  }
  static void TearDownTestSuite() { delete folder_; }
  static fs::path folder(const std::string& name) { return *folder_ / name; }
  static DatasetOptions options(const std::string& name) {
    return {.path = folder(name), .camera_names = {"top", "front"}, .shift_real_actions = false};
  }
  static void expect_tables(const Dataset& dataset, std::int64_t episode) {
    EXPECT_TRUE(at::equal(dataset.state(episode), table(0, kQpos)));
    EXPECT_TRUE(at::equal(dataset.actions(episode), table(100, kQpos)));
    EXPECT_EQ(dataset.state(episode).scalar_type(), at::kFloat);
  }

 private:
  static ScratchFolder* folder_;
};
ScratchFolder* Hdf5DatasetTest::folder_ = nullptr;

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
  EXPECT_EQ(dataset.spec().state_dim(), kQpos);
  EXPECT_EQ(dataset.spec().env_state_dim(), 0);
  EXPECT_FALSE(dataset.env_state(0).defined());
  expect_tables(dataset, 1);
  EXPECT_TRUE(at::equal(dataset.read(1, "top", 2, 3), frames("top").slice(0, 2, 5)));
}

TEST_F(Hdf5DatasetTest, PairsRowsOfARealRobotWithThePreviousActionLikeAct) {
  const Hdf5Dataset dataset({.path = folder("plain"), .camera_names = {"top"}});
  const at::Tensor recorded = table(100, kQpos);
  EXPECT_TRUE(at::equal(dataset.actions(0), recorded)) << "its attribute `sim` is true";
  EXPECT_TRUE(at::equal(dataset.actions(1)[0], recorded[0]));
  EXPECT_TRUE(at::equal(dataset.actions(1).slice(0, 1), recorded.slice(0, 0, -1)));
  EXPECT_TRUE(at::equal(Hdf5Dataset(options("plain")).actions(1), recorded)) << "turned off";
}

TEST_F(Hdf5DatasetTest, StoresDepthForcesAndText) {
  EpisodeRecord episode = record(false);
  const at::Tensor meters = at::arange(kLength * 4 * 5).view({kLength, 4, 5}).to(at::kFloat) / 7;
  episode.streams.push_back(depth_stream("top_depth", {4, 5}));
  episode.observations["top_depth"] = meters;
  episode.streams.push_back(depth_stream("wrist_depth", {4, 5}, at::kUInt16, "mm"));
  episode.observations["wrist_depth"] = (1000 * meters).to(at::kUInt16);
  episode.streams.push_back(vector_stream("force", 6));
  episode.observations["force"] = table(3, 6);
  episode.streams.push_back(text_stream("task", 32));
  episode.observations["task"] =
      text_tensor("hand the box over", 32).unsqueeze(0).repeat({kLength, 1});
  Hdf5EpisodeWriter({}).write(folder("streams/episode_0.hdf5"), episode);
  const Hdf5Dataset dataset({.path = folder("streams"),
                             .camera_names = {"top"},
                             .stream_names = {"top_depth", "wrist_depth", "force", "task"}});
  EXPECT_EQ(dataset.spec().at("wrist_depth"),
            depth_stream("wrist_depth", {4, 5}, at::kUInt16, "mm"));
  for (const char* stream : {"top_depth", "wrist_depth", "force", "task"}) {
    const at::Tensor expected = episode.observations.at(stream);
    EXPECT_EQ(dataset.spec().at(stream).dtype, expected.scalar_type()) << stream;
    EXPECT_TRUE(at::equal(dataset.read_all(0, stream), expected)) << stream;
    EXPECT_TRUE(at::equal(dataset.read(0, stream, 2, 3), expected.slice(0, 2, 5))) << stream;
  }
  EXPECT_EQ(text_of(dataset.read(0, "task", 1, 1)[0]), "hand the box over");
  const at::Tensor depth =
      depth_in_meters(dataset.read(0, "wrist_depth", 0, kLength), dataset.spec().at("wrist_depth"));
  EXPECT_TRUE(at::allclose(depth, meters, 0, 1e-3));
}

TEST_F(Hdf5DatasetTest, StoresVectorsOfAnyDtypeAsFloats) {
  EpisodeRecord episode = record(false);
  StreamSpec ticks = vector_stream("ticks", 2);
  ticks.dtype = at::kLong;
  episode.streams.push_back(ticks);
  episode.observations["ticks"] = at::arange(2 * kLength).view({kLength, 2});
  Hdf5EpisodeWriter({}).write(folder("ticks/episode_0.hdf5"), episode);
  const Hdf5Dataset dataset(
      {.path = folder("ticks"), .camera_names = {"top"}, .stream_names = {"ticks"}});
  EXPECT_TRUE(
      at::equal(dataset.read_all(0, "ticks"), episode.observations.at("ticks").to(at::kFloat)));
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

TEST_F(Hdf5DatasetTest, WritesFilesThatH5pyReads) {
  const Hdf5EpisodeWriter plain({});
  const Hdf5EpisodeWriter compressed({.compress = Compression::kJpeg});
  const fs::path file = plain.file_of(folder("written"), 3);
  EXPECT_EQ(file.filename(), "episode_3.hdf5");
  plain.write(file, record(false));
  compressed.write(folder("written/episode_4.hdf5"), record(true));
  EXPECT_EQ(python("verify " + file.string() + " " + folder("written/episode_4.hdf5").string()), 0);
  EXPECT_EQ(plain.read_header(file).seed, kSeed);
  EXPECT_EQ(plain.read_header(file).success, true);
}

TEST_F(Hdf5DatasetTest, NamesThePartOfARecordThatCannotBeWritten) {
  const Hdf5EpisodeWriter writer({});
  const std::string file = folder("refused/episode_0.hdf5").string();
  const auto error_with = [&](const std::function<void(EpisodeRecord&)>& damage) {
    EpisodeRecord damaged = record(false);
    damage(damaged);
    return error_text([&] { writer.write(file, damaged); });
  };
  EXPECT_EQ(error_with([](EpisodeRecord& r) { r.actions = r.actions.slice(0, 1); }),
            file +
                ": the action cannot be written as an episode: expected a table [6, N]; found "
                "Float [5, 14]; fix the environment that produces it");
  EXPECT_THAT(error_with([](EpisodeRecord& r) { r.observations["state"] = at::Tensor(); }),
              HasSubstr("the episode has no state: expected the stream 'state'"));
  EXPECT_THAT(error_with([](EpisodeRecord& r) { r.streams.back().name = "left/top"; }),
              HasSubstr("'left/top' cannot be written as an episode: expected a name without '/'"));
  EXPECT_THAT(error_with([](EpisodeRecord& r) {
                r.labels["tip_position"] = at::zeros({7, 2});
              }),
              HasSubstr("label 'tip_position'"));
  EXPECT_THAT(
      error_with(
          [](EpisodeRecord& r) { r.observations["top"] = r.observations["top"].to(at::kFloat); }),
      HasSubstr("camera 'top' cannot be written as an episode: expected Byte [6, 16, 24, 3]; found "
                "Float [6, 16, 24, 3]"));
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(Hdf5DatasetTest, ReadsItsOwnFilesWithFramesInPlace) {
  const Hdf5EpisodeWriter writer({});
  writer.write(folder("own/episode_0.hdf5"), record(false));
  const auto dataset = std::make_shared<Hdf5Dataset>(options("own"));
  expect_tables(*dataset, 0);
  EXPECT_EQ(dataset->episode(0).seed, kSeed);
  EXPECT_EQ(dataset->episode(0).success, true);
  EXPECT_EQ(dataset->spec().control_hz, 20.0);
  const auto labels = dataset->labels(0);
  ASSERT_EQ(labels.size(), 2U);
  EXPECT_TRUE(at::equal(labels.at("box_position"), table(40, 3)));
  EXPECT_TRUE(Hdf5Dataset(options("plain")).labels(0).empty()) << "recorded without labels";
  const FrameStore store(dataset, {"front"}, {.folder = folder("unused")});
  EXPECT_EQ(store.num_mapped_in_place(), kLength);
  EXPECT_TRUE(at::equal(store.frame({0, 4}, "front"), frames("front")[4]));
}

TEST_F(Hdf5DatasetTest, WritesTheSameBytesForTheSameRecord) {
  const Hdf5EpisodeWriter writer({});
  writer.write(folder("same/one.hdf5"), record(false));
  std::this_thread::sleep_for(
      std::chrono::milliseconds(1100));  // HDF5's time stamps are in seconds
  writer.write(folder("same/two.hdf5"), record(false));
  EXPECT_EQ(read_text(folder("same/one.hdf5")), read_text(folder("same/two.hdf5")));
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
  other.actions = table(100, kQpos + 1);
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
  other.actions = table(100, kQpos + 1);
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
        equal += at::equal(dataset.state(row % 3), table(0, kQpos));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, 48);
}

TEST_F(Hdf5DatasetTest, LeavesNoFileWhenTheDiskIsFull) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string error;
  try {
    Hdf5EpisodeWriter({}).write(folder("full/episode_0.hdf5"), record(false));
  } catch (const Error& thrown) {
    error = thrown.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(error, HasSubstr("ulimit -f"));
  EXPECT_TRUE(fs::is_empty(folder("full")));
}

}  // namespace
}  // namespace roboimi::hdf5_dataset
