// The episode writer: what it writes is read back by Hdf5Dataset and by h5py.
#include "plugins/hdf5_dataset/hdf5_episode_writer.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/log_route.h"
#include "roboimi/data/frame_store.h"
#include "tests/error_text.h"
#include "tests/plugins/hdf5_dataset/act_episodes.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using Hdf5Writer = ActEpisodes;

TEST_F(Hdf5Writer, StoresDepthForcesAndText) {
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

// `record()` with an instruction, of which the spec has room for `bytes`.
EpisodeRecord instructed_record(const std::string& task, std::int64_t bytes) {
  EpisodeRecord episode = record(false);
  episode.streams.push_back(text_stream("task", bytes));
  episode.observations["task"] = text_tensor(task, bytes).repeat({kLength, 1});
  return episode;
}

TEST_F(Hdf5Writer, TheInstructionIsReadIfEveryEpisodeHasOne) {
  const Hdf5EpisodeWriter writer({});
  writer.write(folder("tasks/episode_0.hdf5"), instructed_record("hand over", 9));
  writer.write(folder("tasks/episode_1.hdf5"), instructed_record("lift the box", 20));
  DatasetOptions chosen = options("tasks");
  const Hdf5Dataset all(chosen);
  EXPECT_EQ(all.spec().at("task"), text_stream("task", 20));
  EXPECT_EQ(text_of(all.read(0, "task", 5, 1)[0]), "hand over");
  EXPECT_EQ(text_of(all.read(1, "task", 0, 1)[0]), "lift the box");
  EXPECT_EQ(all.read_all(0, "task").sizes(), (std::vector<std::int64_t>{kLength, 20}));
  chosen.stream_names = {"env_state"};
  EXPECT_EQ(Hdf5Dataset(chosen).spec().find("task"), nullptr) << "other streams are chosen";

  // Episodes without an instruction, or with numbers under its name.
  chosen = options("tasks");
  writer.write(folder("tasks/episode_2.hdf5"), record(false));
  EXPECT_EQ(Hdf5Dataset(chosen).spec().find("task"), nullptr);
  EpisodeRecord numbered = record(false);
  numbered.streams.push_back(vector_stream("task", 2));
  numbered.observations["task"] = table(0, 2);
  writer.write(folder("tasks/episode_2.hdf5"), numbered);
  EXPECT_EQ(Hdf5Dataset(chosen).spec().find("task"), nullptr);
  chosen.stream_names = {"task"};
  EXPECT_THAT(error_text([&] { const Hdf5Dataset refused(chosen); }),
              HasSubstr("the stream 'task' does not match the other episodes"));
}

// `record()` with units and names of the elements.
EpisodeRecord labeled_record(const std::string& first_name) {
  EpisodeRecord episode = record(false);
  std::vector<std::string> names = {first_name};
  while (std::ssize(names) < kStateDim) names.push_back("gelenk_\xc3\xa4" + c10::str(names.size()));
  for (StreamSpec& stream : episode.streams) {
    if (stream.name != roboimi::kState) continue;
    stream.unit = "rad";
    stream.element_names = names;
  }
  episode.streams.push_back(vector_stream("force", 2, "N", {"left", "right"}));
  episode.observations["force"] = table(3, 2);
  return episode;
}

TEST_F(Hdf5Writer, StoresUnitsAndNamesOfElements) {
  const Hdf5EpisodeWriter writer({});
  const EpisodeRecord episode = labeled_record("waist");
  const fs::path file = folder("labels/episode_0.hdf5");
  writer.write(file, episode);
  DatasetOptions chosen = options("labels");
  chosen.stream_names = {"force"};
  const Hdf5Dataset dataset(chosen);
  for (const StreamSpec& stream : episode.streams) {
    if (stream.name == roboimi::kState || stream.name == "force") {
      EXPECT_EQ(dataset.spec().at(stream.name), stream);
    }
  }
  const std::string statement =
      "f = h5py.File('" + file.string() +
      "'); a = f['observations/force'].attrs; assert list(a['names']) == ['left', 'right']; "
      "assert a['unit'] == 'N'; n = f['observations/qpos'].attrs['names']; "
      "assert n[0] == 'waist' and n[13] == 'gelenk_\u00e413', n";
  EXPECT_EQ(
      std::system(
          (ROBOIMI_SOURCE_DIR "/.venv/bin/python -c \"import h5py; " + statement + "\"").c_str()),
      0);
}

TEST_F(Hdf5Writer, KeepsTheOrderOfTheCameras) {
  EpisodeRecord episode = record(false);
  std::swap(episode.streams[0], episode.streams[1]);
  Hdf5EpisodeWriter({}).write(folder("order/episode_0.hdf5"), episode);
  EXPECT_THAT(Hdf5Dataset({.path = folder("order")}).spec().camera_names(),
              ::testing::ElementsAre("top", "front"));
  // One that the attribute does not list comes last.
  EXPECT_EQ(std::system((ROBOIMI_SOURCE_DIR "/.venv/bin/python -c \"import h5py; f = h5py.File('" +
                         folder("order/episode_0.hdf5").string() +
                         "', 'r+')['observations/images']; f.copy('front', 'a')\"")
                            .c_str()),
            0);
  EXPECT_THAT(Hdf5Dataset({.path = folder("order")}).spec().camera_names(),
              ::testing::ElementsAre("top", "front", "a"));
}

TEST_F(Hdf5Writer, NamesThatDoNotFitAreIgnoredWithANote) {
  const Hdf5EpisodeWriter writer({});
  writer.write(folder("misfits/episode_0.hdf5"), labeled_record("waist"));
  writer.write(folder("misfits/episode_1.hdf5"), labeled_record("elbow"));
  EXPECT_EQ(std::system((ROBOIMI_SOURCE_DIR "/.venv/bin/python -c \"import h5py; f = h5py.File('" +
                         folder("misfits/episode_0.hdf5").string() +
                         "', 'r+'); f['observations/force'].attrs['names'] = ['left']; "
                         "f['observations/force'].attrs['unit'] = 7\"")
                            .c_str()),
            0);
  std::string log;
  set_log_handler([&](LogLevel, std::string_view line) { (log += line) += '\n'; });
  DatasetOptions chosen = options("misfits");
  chosen.stream_names = {"force"};
  const Hdf5Dataset dataset(chosen);
  set_log_handler({});
  EXPECT_EQ(dataset.spec().at(roboimi::kState), vector_stream(roboimi::kState, kStateDim, "rad"));
  // The other episode's names are used.
  EXPECT_EQ(dataset.spec().at("force"), vector_stream("force", 2, "N", {"left", "right"}));
  EXPECT_THAT(log, HasSubstr("ignoring the attribute 'names of /observations/qpos' with the value "
                             "[elbow, "));
  EXPECT_THAT(log, HasSubstr("unlike other episodes, in episode_1.hdf5"));
  EXPECT_THAT(log, HasSubstr("'names of /observations/force' with the value [left], expected 2 "
                             "strings in UTF-8, in episode_0.hdf5"));
  EXPECT_THAT(log, HasSubstr("'unit of /observations/force' with the value 7 in episode_0.hdf5"));
}

TEST_F(Hdf5Writer, StoresVectorsOfAnyDtypeAsFloats) {
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

TEST_F(Hdf5Writer, WritesFilesThatH5pyReads) {
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

TEST_F(Hdf5Writer, NamesThePartOfARecordThatCannotBeWritten) {
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

TEST_F(Hdf5Writer, ReadsItsOwnFilesWithFramesInPlace) {
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

TEST_F(Hdf5Writer, WritesTheSameBytesForTheSameRecord) {
  const Hdf5EpisodeWriter writer({});
  writer.write(folder("same/one.hdf5"), labeled_record("waist"));
  std::this_thread::sleep_for(
      std::chrono::milliseconds(1100));  // HDF5's time stamps are in seconds
  writer.write(folder("same/two.hdf5"), labeled_record("waist"));
  EXPECT_EQ(read_text(folder("same/one.hdf5")), read_text(folder("same/two.hdf5")));
}

// A long episode whose images do not fit in memory.
TEST_F(Hdf5Writer, ReadsImagesOnDemandInBlocks) {
  constexpr std::int64_t kRows = 70;
  EpisodeRecord complete = record(true);
  const at::Tensor rows = at::arange(kRows).remainder(kLength);
  complete.streams.push_back(depth_stream("near", {4, 5}));
  complete.observations["near"] = at::arange(kLength * 20, at::kFloat).view({kLength, 4, 5});
  for (auto& [name, values] : complete.observations) values = values.index_select(0, rows);
  for (auto& [name, values] : complete.labels) values = values.index_select(0, rows);
  complete.actions = complete.actions.index_select(0, rows);
  EpisodeRecord on_demand = complete;
  for (const char* stream : {"front", "top", "near"}) on_demand.observations.erase(stream);
  std::int64_t most = 0, num_read = 0;
  on_demand.read_images = [&](const StreamSpec& stream, std::int64_t first, std::int64_t count) {
    most = std::max(most, count);
    num_read += count;
    return complete.observations.at(stream.name).slice(0, first, first + count);
  };
  for (const Compression compression : {Compression::kNone, Compression::kJpeg}) {
    num_read = 0;
    const Hdf5EpisodeWriter writer({.compress = compression});
    writer.write(folder("blocks/one.hdf5"), complete);
    writer.write(folder("blocks/two.hdf5"), on_demand);
    EXPECT_EQ(read_text(folder("blocks/one.hdf5")), read_text(folder("blocks/two.hdf5")));
    EXPECT_EQ(num_read, 3 * kRows) << "each image is read once";
  }
  EXPECT_LE(most, 32);
}

TEST_F(Hdf5Writer, LeavesNoFileIfAnImageCannotBeRead) {
  EpisodeRecord episode = record(false);
  episode.observations.erase("top");
  episode.read_images = [](const StreamSpec&, std::int64_t, std::int64_t) -> at::Tensor {
    throw Error("the video is damaged");
  };
  EXPECT_EQ(error_text([&] { Hdf5EpisodeWriter({}).write(folder("cut/episode_0.hdf5"), episode); }),
            "the video is damaged");
  EXPECT_TRUE(fs::is_empty(folder("cut")));
}

TEST_F(Hdf5Writer, LeavesNoFileWhenTheDiskIsFull) {
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
