// Datasets as LeRobot writes them, and unusual ones that are nevertheless sound.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <fstream>
#include <future>

#include "roboimi/io/image.h"
#include "roboimi/io/parquet/writer.h"
#include "tests/plugins/lerobot_dataset/set_test.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

using SoundSets = SetTest;

TEST_F(SoundSets, Version3WithVideos) {
  const LerobotSet set(folder());
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(dataset.findings().warnings(), ElementsAre());
  EXPECT_THAT(dataset.spec().names(), ElementsAre("state", "front", "top", "task"));
  EXPECT_EQ(dataset.spec().image_size("top").width, LerobotSet::kWidth);
  EXPECT_THAT(dataset.spec().at("state").element_names, ElementsAre("waist", "elbow", "grip"));
  EXPECT_EQ(dataset.spec().control_hz, 50.0);
  EXPECT_EQ(dataset.episode(1).file, set.data_file({0, 0}));
  EXPECT_FALSE(dataset.episode(1).success.has_value());
  EXPECT_EQ(text_of(dataset.read(1, "task", 8, 1)[0]), "hand the box over");
  EXPECT_EQ(text_of(dataset.read(2, "task", 0, 1)[0]), "pick up the box");
}

TEST_F(SoundSets, Version3WithImages) {
  LerobotSet(folder(), "v3.0", "image").write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  // PNG is lossless.
  EXPECT_TRUE(
      at::equal(dataset.read(1, "top", 3, 1)[0], LerobotSet::picture(LerobotSet::label(1, 1, 3))));
}

TEST_F(SoundSets, Version21WithVideos) {
  LerobotSet(folder(), "v2.1").write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(dataset.findings().warnings(), ElementsAre());
}

TEST_F(SoundSets, Version20WithImages) {
  LerobotSet(folder(), "v2.0", "image").write();
  expect_complete(open_set(folder()));
}

TEST_F(SoundSets, ImagesMayBeFilesThatTheDataName) {
  LerobotSet set(folder(), "v2.1", "image");
  set.has_image_files = true;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  const std::string name = fmt::format("images/{:06}.png", LerobotSet::label(1, 2, 5));
  fs::remove(folder() / name);
  EXPECT_THAT(
      error_text([&] { dataset.read(2, "top", 4, 3); }),
      ::testing::AllOf(HasSubstr("row 5 of camera 'observation.images.top'"), HasSubstr(name)));
  std::ofstream(folder() / name) << "no image";
  EXPECT_THAT(error_text([&] { dataset.read(2, "top", 4, 3); }),
              HasSubstr("row 5 of camera 'observation.images.top': cannot decode the image: "
                        "expected a PNG or a JPEG; found 8 bytes that begin 6e 6f 20"));
  write_png(folder() / name, at::zeros({16, 96, 3}, at::kByte));
  EXPECT_THAT(error_text([&] { dataset.read(2, "top", 4, 3); }),
              HasSubstr("row 5 of camera 'observation.images.top' has a different size: expected "
                        "32x96; found 16x96"));
}

TEST_F(SoundSets, InstructionsMayBeStrings) {
  LerobotSet set(folder());
  set.string_columns = {{"instruction", "öffne die Schublade"}, {"operator", "A"}};
  for (const char* name : {"instruction", "operator"}) {
    set.info["features"][name] = {{"dtype", "string"}, {"shape", {1}}};
  }
  set.write();
  const LerobotDataset dataset =
      open_set(folder(), {.streams = {"operator"}, .task = "instruction"});
  EXPECT_EQ(text_of(dataset.read(1, "task", 5, 1)[0]), "öffne die Schublade");
  EXPECT_EQ(text_of(dataset.read(1, "operator", 5, 1)[0]), "A");
  EXPECT_EQ(dataset.spec().at("operator").kind, StreamKind::kText);
  EXPECT_EQ(dataset.read_all(2, "task").size(0), 12);
}

TEST_F(SoundSets, TheLongestStringMayBeInTheSecondFileOfAnEpisode) {
  LerobotSet set(folder());
  for (SetRow& row : set.rows) {
    if (row.episode == 2 && row.frame >= 6) row.file = {0, 1};
  }
  set.string_columns = {{"note", "short"}};
  set.endings[{0, 1}] = std::string(200, 'x');
  set.info["features"]["note"] = {{"dtype", "string"}, {"shape", {1}}};
  set.write();
  const LerobotDataset dataset = open_set(folder(), {.streams = {"note"}});
  EXPECT_EQ(text_of(dataset.read(2, "note", 5, 1)[0]), "short");
  EXPECT_EQ(text_of(dataset.read(2, "note", 6, 1)[0]), "short" + std::string(200, 'x'));
}

TEST_F(SoundSets, AnyRangeOfRowsIsThatOfTheWholeEpisode) {
  for (const char* dtype : {"image", "video"}) {
    fs::remove_all(folder());
    LerobotSet(folder(), "v3.0", dtype).write();
    const LerobotDataset dataset = open_set(folder());
    for (const char* stream : {"state", "front", "task"}) {
      const at::Tensor all = dataset.read_all(1, stream);
      EXPECT_TRUE(at::equal(dataset.read(1, stream, 7, 2), all.slice(0, 7, 9))) << stream;
      EXPECT_TRUE(at::equal(dataset.read(1, stream, 2, 3), all.slice(0, 2, 5))) << stream;
      EXPECT_EQ(dataset.read(1, stream, 4, 0).sizes(), all.slice(0, 0, 0).sizes()) << stream;
      EXPECT_THAT(error_text([&] { dataset.read(1, stream, 8, 2); }),
                  HasSubstr("rows out of range: expected rows 0 to 8; found 8 to 9"));
    }
  }
}

TEST_F(SoundSets, AreReadByManyThreadsAtOnce) {
  LerobotSet(folder()).write();
  const LerobotDataset dataset = open_set(folder());
  std::vector<std::future<bool>> readers;
  for (std::int64_t i = 0; i < 6; ++i) {
    readers.push_back(std::async(std::launch::async, [&dataset, i] {
      bool equal = true;
      for (std::int64_t turn = 0; turn < 6; ++turn) {
        const std::int64_t episode = (i + turn) % 3, row = (5 * i + turn) % 9;
        const at::Tensor frame = dataset.read(episode, i % 2 == 0 ? "front" : "top", row, 1);
        const std::vector<std::int64_t> expected = {LerobotSet::label(i % 2, episode, row)};
        equal = equal && LerobotSet::labels_of(frame) == expected &&
                at::equal(dataset.actions(episode),
                          LerobotSet::actions(episode, dataset.episode(episode).length));
      }
      return equal;
    }));
  }
  for (auto& reader : readers) EXPECT_TRUE(reader.get());
}

TEST_F(SoundSets, NameEveryFileThatTheyAreReadFrom) {
  const LerobotSet set(folder());
  set.write();
  const std::vector<fs::path> files = open_set(folder()).files();
  EXPECT_THAT(
      files, IsSupersetOf({folder() / "meta/info.json", folder() / "meta/tasks.parquet",
                           folder() / "meta/episodes/chunk-000/file-000.parquet", set.data_file({}),
                           set.video_file("front", {}), set.video_file("top", {})}));
  EXPECT_THAT(open_set(folder(), {.camera_names = {"top"}}).files(),
              ::testing::Not(::testing::Contains(set.video_file("front", {}))));
}

TEST_F(SoundSets, RowsInAnyOrderBelongToTheEpisodeTheyName) {
  LerobotSet set(folder(), "v3.0", "image");
  std::reverse(set.rows.begin(), set.rows.end());
  std::swap(set.rows[3], set.rows[20]);
  set.write();
  expect_complete(open_set(folder()));
}

TEST_F(SoundSets, AnEpisodeMaySpanDataFiles) {
  LerobotSet set(folder(), "v3.0", "image");
  for (SetRow& row : set.rows) {
    if (row.index >= 16) row.file = {0, 1};  // frame 4 of episode 1
  }
  set.table[2].data = {0, 1};
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_EQ(LerobotSet::labels_of(dataset.read(1, "front", 3, 2)),
            (std::vector<std::int64_t>{LerobotSet::label(0, 1, 3), LerobotSet::label(0, 1, 4)}));
}

// cases-data 2: table files have equal names in different chunks, and every camera begins new
// videos by itself.
TEST_F(SoundSets, TablesAndVideosBeginNewFilesByThemselves) {
  LerobotSet set(folder());
  set.table[1].table = set.table[2].table = {1, 0};
  auto& whole = set.videos.at({"top", {}});
  set.videos[{"top", {0, 1}}] = {whole.begin() + 12, whole.end()};
  whole.resize(12);
  set.table[1].windows["top"] = {.file = {0, 1}, .from = 0.0, .to = 0.18};
  set.table[2].windows["top"] = {.file = {0, 1}, .from = 0.18, .to = 0.42};
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(dataset.findings().warnings(), ElementsAre());
}

// cases-data 3: tasks are found by the value of task_index, in any script and column.
TEST_F(SoundSets, TasksAreFoundByValue) {
  LerobotSet set(folder());
  set.tasks = {{7, "reich die Kiste weiter"}, {2, "箱を持ち上げる"}};
  set.task_column = "__index_level_0__";
  for (SetRow& row : set.rows) row.task = row.episode == 1 ? 2 : 7;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  EXPECT_EQ(text_of(dataset.read(0, "task", 0, 1)[0]), "reich die Kiste weiter");
  EXPECT_EQ(text_of(dataset.read(1, "task", 0, 1)[0]), "箱を持ち上げる");
}

// cases-data 13: the rate is no integer.
TEST_F(SoundSets, SubtasksHaveATableOfTheirOwn) {
  LerobotSet set(folder());
  set.integer_columns = {{"subtask_index", 1}};
  set.info["features"]["subtask_index"] = {{"dtype", "int64"}, {"shape", {1}}};
  set.write();
  EXPECT_THAT(opening_error({.task = "subtask_index"}),
              HasSubstr("meta/subtasks.parquet: there is no table of subtasks"));
  parquet::Writer writer(folder() / "meta/subtasks.parquet",
                         {{.name = "subtask_index"},
                          {.name = "subtask", .type = parquet::Type::kByteArray, .is_text = true}});
  writer.add_row_group({{.values = std::vector<std::int64_t>{0, 1}},
                        {.values = std::vector<std::string>{"reach", "grasp"}}});
  writer.close();
  const LerobotDataset dataset = open_set(folder(), {.task = "subtask_index"});
  EXPECT_EQ(text_of(dataset.read(0, "task", 3, 1)[0]), "grasp");
  EXPECT_EQ(text_of(open_set(folder()).read(0, "task", 3, 1)[0]), "pick up the box");
}

TEST_F(SoundSets, TheRateMayBeAFraction) {
  LerobotSet set(folder(), "v3.0", "video", {40});
  set.fps = 30000.0 / 1001.0;
  set.info["fps"] = 29.97;
  for (SetRow& row : set.rows) row.timestamp = static_cast<double>(row.frame) / 29.97;
  for (auto& [camera, window] : set.table[0].windows) window.to = 40 / 29.97;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  EXPECT_EQ(dataset.spec().control_hz, 29.97);
  expect_complete(dataset, {0});
}

// cases-data 14: nothing depends on stats.json or on a task table.
TEST_F(SoundSets, NeedNoTaskTable) {
  LerobotSet(folder()).write();
  fs::remove(folder() / "meta" / "tasks.parquet");
  const LerobotDataset dataset = open_set(folder());
  EXPECT_EQ(dataset.spec().find("task"), nullptr);
  expect_complete(dataset);
}

// cases-data 15: the starts of episodes drift by less than half a frame.
TEST_F(SoundSets, StartsMayDriftByLessThanHalfAFrame) {
  LerobotSet set(folder());
  for (const char* camera : {"front", "top"}) {
    set.table[1].windows[camera].from -= 0.004;
    set.table[2].windows[camera].from += 0.004;
  }
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(dataset.findings().warnings(), ElementsAre());
}

TEST_F(SoundSets, TheVideoMayBeFasterThanTheData) {
  LerobotSet set(folder());
  set.fps = 100.0;  // of the videos; the rows have 50
  for (auto& [place, labels] : set.videos) {
    std::vector<std::int64_t> doubled;
    for (const std::int64_t label : labels) doubled.insert(doubled.end(), {label, 4000});
    labels = doubled;
  }
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(dataset.findings().warnings(), ElementsAre());
  EXPECT_EQ(LerobotSet::labels_of(dataset.read(1, "top", 2, 1)),
            std::vector<std::int64_t>{LerobotSet::label(1, 1, 2)});
}

TEST_F(SoundSets, LinksAreOrdinaryFiles) {
  const LerobotSet set(folder());
  set.write();
  for (const fs::path& file : {set.video_file("top", {}), set.data_file({})}) {
    const fs::path blob = scratch_.path() / file.filename();
    fs::rename(file, blob);
    fs::create_symlink(blob, file);
  }
  expect_complete(open_set(folder()));
}

TEST_F(SoundSets, HiddenFilesAreIgnored) {
  const LerobotSet set(folder());
  set.write();
  for (const char* name : {"data/chunk-000/._file-000.parquet", "data/chunk-000/notes.parquet",
                           "meta/episodes/chunk-000/._file-000.parquet"}) {
    std::ofstream(folder() / name) << "no table";
  }
  expect_complete(open_set(folder()));
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
