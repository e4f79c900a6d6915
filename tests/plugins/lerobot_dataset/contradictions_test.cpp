// Tables that contradict the rows: what is harmless gives one warning, everything else one error.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include "plugins/lerobot_dataset/video_windows.h"
#include "roboimi/io/video.h"
#include "tests/plugins/lerobot_dataset/set_test.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;

using Contradictions = SetTest;

// A set whose episode 2 is in a second data file.
LerobotSet in_two_files(const fs::path& folder, const std::string& dtype = "video") {
  LerobotSet set(folder, "v3.0", dtype);
  for (SetRow& row : set.rows) {
    if (row.episode == 2) row.file = {0, 1};
  }
  set.table[2].data = {0, 1};
  return set;
}

// cases-data 1a: the converter counted from 0 again in each data file.
TEST_F(Contradictions, RowNumbersOfTheTableAreOnlyCompared) {
  LerobotSet set = in_two_files(folder());
  set.table[2].from_index = 0;
  set.table[2].to_index = 12;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(only_warning(dataset),
              AllOf(HasSubstr("meta/episodes/chunk-000/file-000.parquet: the episode table "
                              "contradicts the rows, which are used: episode 2: "
                              "dataset_from_index is 0 instead of 21, dataset_to_index is 12 "
                              "instead of 33")));
}

TEST_F(Contradictions, TheLargestRowNumberIsOnlyCompared) {
  LerobotSet set(folder());
  set.rows[0].index = INT64_MAX;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(dataset.findings().warnings(),
              ::testing::ElementsAre(
                  HasSubstr("episode 0: dataset_from_index is 0 instead of 9223372036854775807"),
                  HasSubstr("frame 1 of episode 0 has 1 after 9223372036854775807")));
}

// cases-data 1b: the first episode of a data file points to the file before.
TEST_F(Contradictions, TheFileOfTheTableIsOnlyCompared) {
  LerobotSet set = in_two_files(folder());
  set.table[2].data = {0, 0};
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(only_warning(dataset), HasSubstr("episode 2: data/file_index is 0 instead of 1"));
  EXPECT_EQ(dataset.episode(2).file, set.data_file({0, 1}));
}

TEST_F(Contradictions, ALengthOfTheTableIsOnlyCompared) {
  LerobotSet set(folder());
  set.table[1].length = 12;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(only_warning(dataset), HasSubstr("episode 1: length is 12 instead of 9"));
}

TEST_F(Contradictions, AGapOfTheColumnIndexIsReported) {
  LerobotSet set(folder());
  for (std::size_t row = 15; row < 21; ++row) set.rows[row].index += 100;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(
      only_warning(dataset),
      AllOf(HasSubstr("the column index has gaps, frame_index is used: frame 3 of episode 1 "
                      "has 115 after 14"),
            HasSubstr(set.data_file({}).string())));
}

TEST_F(Contradictions, ManyEpisodesGiveOneWarning) {
  LerobotSet set(folder(), "v3.0", "image", {2, 2, 2, 2, 2});
  for (SetEpisode& entry : set.table) entry.length = 7;
  set.write();
  EXPECT_THAT(only_warning(open_set(folder())), HasSubstr("; and 2 more episodes"));
}

// cases-data 4: after a merge, the clock of the episodes ran on in the new video file.
TEST_F(Contradictions, AWindowBehindTheEndOfTheVideoIsRefused) {
  LerobotSet set(folder());
  auto& whole = set.videos.at({"top", {}});
  set.videos[{"top", {0, 1}}] = {whole.begin() + 21, whole.end()};
  whole.resize(21);
  set.table[2].windows["top"].file = {0, 1};  // but it begins at 0.42 s still
  set.write();
  EXPECT_THAT(opening_error(),
              AllOf(HasSubstr(set.video_file("top", {0, 1}).string()),
                    HasSubstr("row 0 of episode 2 has no frame of camera 'top': expected a frame "
                              "at 0.42 s, within half a frame (0.01 s); found the nearest is 0.2 s "
                              "away; the episode's window is 0.42 s to 0.66 s, the file lasts "
                              "0.24 s")));
  expect_complete(open_set(folder(), {.episodes = {"0", "1"}}), {0, 1});
}

// cases-data 4, second input: two episodes claim the same seconds.
TEST_F(Contradictions, WindowsThatOverlapAreRefused) {
  LerobotSet set(folder());
  set.table[1].windows["front"] = set.table[0].windows["front"];
  set.write();
  EXPECT_THAT(opening_error(),
              AllOf(HasSubstr("episodes 0 and 1 use the same frames of camera 'front'"),
                    HasSubstr("episode 0: 0 s to 0.24 s, episode 1: 0 s to 0.18 s, 9 frames in "
                              "common")));
  // Leaving one out does not show which of them is right.
  EXPECT_THAT(opening_error({.episodes = {"1"}}), HasSubstr("episodes 0 and 1 use the same"));
  expect_complete(open_set(folder(), {.episodes = {"2"}}), {2});
}

TEST_F(Contradictions, AWindowInsideOfAnotherIsRefused) {
  LerobotSet set(folder(), "v3.0", "video", {20, 4, 4});
  for (const char* camera : {"front", "top"}) {
    set.table[1].windows[camera].from = 0.04;
    set.table[2].windows[camera].from = 0.2;
  }
  set.write();
  EXPECT_THAT(opening_error({.episodes = {"2"}}),
              HasSubstr("episodes 0 and 2 use the same frames of camera 'front'"));
}

// cases-data 5: the frames of a discarded take stayed in the video.
TEST_F(Contradictions, FramesOfADiscardedTakeAreNotUsed) {
  LerobotSet set(folder());
  auto& video = set.videos.at({"top", {}});
  video.insert(video.begin() + 12, 5, 4000);
  set.table[0].windows["top"].to = 0.34;
  set.table[1].windows["top"] = {.from = 0.34, .to = 0.52};
  set.table[2].windows["top"] = {.from = 0.52, .to = 0.76};
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(only_warning(dataset),
              HasSubstr("camera 'top': episode 0 has 17 frames for 12 rows (the others are not "
                        "used)"));
}

TEST_F(Contradictions, Version21VideosMayHaveMoreFramesThanRows) {
  LerobotSet set(folder(), "v2.1");
  set.videos.at({"front", {0, 1}}).push_back(4000);
  set.videos.at({"front", {0, 1}}).push_back(4000);
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(only_warning(dataset), HasSubstr("episode 1 has 11 frames for 9 rows"));
}

TEST_F(Contradictions, AVideoWithFewerFramesThanRowsIsRefused) {
  LerobotSet set(folder(), "v2.1");
  set.videos.at({"front", {0, 1}}).resize(7);
  set.write();
  EXPECT_THAT(opening_error(),
              AllOf(HasSubstr("row 7 of episode 1 has no frame of camera 'front'"),
                    HasSubstr("the episode's window is 0 s to 0.18 s, the file lasts 0.14 s")));
}

// cases-data 15, second input: a start that is off by more than half a frame.
TEST_F(Contradictions, AStartOffByMoreThanHalfAFrameIsRefused) {
  LerobotSet set(folder());
  set.table[1].windows["top"].from -= 0.011;
  set.write();
  EXPECT_THAT(opening_error(),
              AllOf(HasSubstr("episodes 0 and 1 use the same frames of camera 'top'"),
                    HasSubstr("1 frames in common; the start of episode 1 is 0.011 s off")));
  set.table[1].windows["top"].from += 0.022;
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("the start of episode 1 is 0.011 s off"));
  set.table[1].windows["top"].from = 0.24;
  set.table[2].windows["top"].from += 0.011;
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("row 11 of episode 2 has no frame of camera 'top'"));
}

// cases-data 8: an episode was removed by hand.
TEST_F(Contradictions, AnEpisodeRemovedByHandLeavesTheOthersTheirNumbers) {
  LerobotSet set(folder(), "v2.1");
  std::erase_if(set.rows, [](const SetRow& row) { return row.episode == 1; });
  std::erase_if(set.table, [](const SetEpisode& entry) { return entry.episode == 1; });
  set.videos.erase({"front", {0, 1}});
  set.videos.erase({"top", {0, 1}});
  set.info["total_episodes"] = 2;
  set.info["total_frames"] = 24;
  set.write();
  EXPECT_EQ(only_warning(open_set(folder())), "");
  expect_complete(open_set(folder()), {0, 2});
  expect_complete(open_set(folder(), {.episodes = {"2"}}), {2});
  EXPECT_THAT(opening_error({.episodes = {"1"}}),
              HasSubstr("there is no episode 1: expected one of 0, 2; select episodes that exist"));
  set.info["total_episodes"] = 3;
  set.write();
  EXPECT_THAT(only_warning(open_set(folder())),
              HasSubstr("announces 3 episodes with 24 rows, but 2 episodes with 24 rows were "
                        "found"));
}

TEST_F(Contradictions, AnEpisodeOfTheTableWithoutItsFileIsRefused) {
  const LerobotSet set(folder(), "v2.1");
  set.write();
  fs::remove(set.data_file({0, 1}));
  EXPECT_THAT(opening_error(),
              AllOf(HasSubstr("episode 1 has no rows"), HasSubstr(set.data_file({0, 1}).string()),
                    HasSubstr("found no such file")));
  expect_complete(open_set(folder(), {.episodes = {"0", "2"}}), {0, 2});
}

TEST_F(Contradictions, AMissingVideoIsNamed) {
  const LerobotSet set(folder(), "v2.1");
  set.write();
  fs::remove(set.video_file("top", {0, 2}));
  EXPECT_THAT(opening_error(),
              AllOf(HasSubstr(set.video_file("top", {0, 2}).string()),
                    HasSubstr("the video of episode 2 and camera 'observation.images.top' is "
                              "missing")));
  EXPECT_EQ(open_set(folder(), {.camera_names = {"front"}}).num_episodes(), 3);
}

TEST_F(Contradictions, AMissingRowIsNamed) {
  LerobotSet set(folder());
  set.rows.erase(set.rows.begin() + 14);
  set.write();
  EXPECT_THAT(opening_error(),
              HasSubstr("file-000.parquet: episode 1 lacks frame 2: expected frame_index 2; found "
                        "3"));
  set.rows.insert(set.rows.begin() + 14, set.rows[13]);
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("episode 1 has frame 1 twice"));
  set.rows[14].frame = -1;
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("episode 1 has a frame with a negative number: expected "
                                         "frame_index 0; found -1"));
}

// Windows count from the first frame, or on the clock of the file, on which LeRobot looks for them.
TEST(VideoWindows, MayCountFromTheFirstFrameOrTheClockOfTheFile) {
  VideoTimes video{.duration = 1.0, .offset = 0.1};
  for (int frame = 0; frame < 20; ++frame) video.seconds.push_back(0.05 * frame);
  std::vector<EpisodeWindow> windows = {{.episode = 0, .from = 0.0, .to = 0.5},
                                        {.episode = 1, .from = 0.5, .to = 1.0}};
  for (EpisodeWindow& window : windows) {
    for (int row = 0; row < 10; ++row) window.timestamps.push_back(0.05 * row);
  }
  const Placement from_first_frame = place_episodes("top", 20.0, video, windows);
  EXPECT_EQ(from_first_frame.offset_taken_off, 0.1);
  for (EpisodeWindow& window : windows) {
    window.from += 0.1;
    *window.to += 0.1;
  }
  const Placement on_clock = place_episodes("top", 20.0, video, windows);
  EXPECT_EQ(on_clock.offset_taken_off, std::nullopt);
  for (const Placement& placement : {from_first_frame, on_clock}) {
    EXPECT_EQ(placement.episodes.at(0).first, 0);
    EXPECT_EQ(placement.episodes.at(1).first, 10);
    EXPECT_TRUE(placement.odd_windows.empty());
  }
}

TEST_F(Contradictions, AVideoOfAnotherRateIsNamed) {
  LerobotSet set(folder());
  set.write();
  for (const auto& [rate, shown] : {std::pair(25.0, "25"), {120.0, "120"}}) {
    VideoWriter writer(set.video_file("top", {}),
                       {.height = LerobotSet::kHeight, .width = LerobotSet::kWidth}, rate);
    for (std::int64_t frame = 0; frame < 33; ++frame) writer.add(LerobotSet::picture(frame));
    writer.close();
    EXPECT_THAT(opening_error(),
                AllOf(HasSubstr(set.video_file("top", {}).string()),
                      HasSubstr(fmt::format("has {} frames per second instead of 50", shown))));
  }
}

TEST_F(Contradictions, ATimestampOfAnotherFrameIsRefused) {
  LerobotSet set(folder(), "v3.0", "image");
  set.rows[14].timestamp += 0.011;
  set.write();
  EXPECT_THAT(opening_error(),
              HasSubstr("frame 2 of episode 1 has the time of another frame: expected timestamp "
                        "0.04 s at 50 fps, within half a frame; found 0.051 s"));
}

TEST_F(Contradictions, AnEpisodeThatIsListedTwiceIsRefused) {
  LerobotSet set(folder());
  set.table.push_back(set.table[1]);
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("episode 1 is listed twice"));
}

// cases-data 3: an index without a text.
TEST_F(Contradictions, ATaskWithoutATextIsRefused) {
  LerobotSet set(folder());
  set.rows[14].task = 5;
  set.write();
  EXPECT_THAT(opening_error(),
              AllOf(HasSubstr("task 5 is not in the task table: expected one of 0, 1"),
                    HasSubstr("meta/tasks.parquet")));
  EXPECT_EQ(open_set(folder(), {.episodes = {"0"}}).num_episodes(), 1);
  EXPECT_EQ(open_set(folder(), {.task = "none"}).num_episodes(), 3);
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
