// Episodes of which a row or a file cannot be read: errors that name the place, and the option that
// leaves them out.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>

#include "tests/plugins/lerobot_dataset/set_test.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using UnreadableEpisodesTest = SetTest;

// Row 14 is frame 2 of episode 1.
TEST_F(UnreadableEpisodesTest, ANullInAnIndexColumnIsAnErrorOfItsEpisode) {
  for (const char* dtype : {"video", "image"}) {
    for (const std::string column :
         {"episode_index", "frame_index", "index", "timestamp", "task_index"}) {
      LerobotSet set(folder(), "v3.0", dtype);
      set.rows[14].null_column = column;
      set.write();
      EXPECT_EQ(opening_error(),
                fmt::format("{}: episode 1 cannot be read: row 14 of the column '{}' does not fit "
                            "the feature: expected a number; found null; repair the data file, or "
                            "leave the episode out: data.episodes, or data.unreadable=skip",
                            set.data_file({}).string(), column));
      EXPECT_THAT(opening_error({.episodes = {"1"}}), HasSubstr("row 14 of the column"));
      expect_complete(open_set(folder(), {.episodes = {"0", "2"}}), {0, 2});
      const LerobotDataset rest = open_set(folder(), {.unreadable = UnreadableEpisodes::kSkip});
      expect_complete(rest, {0, 2});
      EXPECT_EQ(text_of(rest.read_all(1, "task")[11]), "pick up the box");
      EXPECT_THAT(only_warning(rest),
                  AllOf(HasSubstr("left out: " + set.data_file({}).string()),
                        HasSubstr("episode 1 cannot be read: row 14 of the column '" + column)));
    }
  }
}

TEST_F(UnreadableEpisodesTest, ARowWithoutEpisodeIsAFaultOfTheEpisodeThatLacksIt) {
  // Episodes 0 to 2 have the rows 0 to 11, 12 to 20 and 21 to 32.
  for (const auto& [row, episode] :
       std::map<std::size_t, int>{{0, 0}, {5, 0}, {11, 0}, {12, 1}, {20, 1}, {21, 2}, {32, 2}}) {
    LerobotSet set(folder(), "v3.0", "image");
    set.rows[row].null_column = "episode_index";
    set.write();
    EXPECT_THAT(opening_error(),
                HasSubstr(fmt::format("episode {} cannot be read: row {} of the column "
                                      "'episode_index'",
                                      episode, row)));
  }
}

TEST_F(UnreadableEpisodesTest, RowsWithoutEpisodeBelongToNoEpisode) {
  const DatasetOptions skip{.unreadable = UnreadableEpisodes::kSkip};
  LerobotSet set(folder(), "v3.0", "image");
  for (std::size_t row = 12; row < 21; ++row) set.rows[row].null_column = "episode_index";
  set.write();
  EXPECT_THAT(opening_error(),
              AllOf(HasSubstr("episode 1 has no rows"),
                    HasSubstr("found no row of that episode, and rows without a number in "
                              "episode_index")));
  expect_complete(open_set(folder(), {.episodes = {"0", "2"}}), {0, 2});
  const LerobotDataset rest = open_set(folder(), skip);
  expect_complete(rest, {0, 2});
  const auto lost = HasSubstr(
      "file-000.parquet: 9 rows belong to no episode, the first one is row "
      "12: expected a number in the column 'episode_index'");
  EXPECT_THAT(rest.left_out(), ElementsAre(HasSubstr("episode 1 has no rows"), lost));

  // Without a table, nothing else shows that there was an episode.
  set.has_table = false;
  fs::remove_all(folder() / "meta/episodes");
  set.write();
  const LerobotDataset unlisted = open_set(folder());
  expect_complete(unlisted, {0, 2});
  EXPECT_THAT(unlisted.left_out(), ElementsAre(lost));

  // With the last rows of the episode before and the first ones of the episode behind.
  for (std::size_t row = 10; row < 23; ++row) set.rows[row].null_column = "episode_index";
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("episode 0 cannot be read: row 10 of the column"));
  EXPECT_THAT(opening_error({.episodes = {"2"}}),
              HasSubstr("episode 2 cannot be read: row 22 of the column"));

  for (SetRow& row : set.rows) row.null_column = "episode_index";
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("row 0 of the column 'episode_index' does not fit"));
}

// The rows of an episode need not be consecutive rows of a file.
TEST_F(UnreadableEpisodesTest, AnEpisodeThatIsTooShortIsReportedIfRowsHaveNoEpisode) {
  LerobotSet set(folder(), "v3.0", "image");
  set.rows[11].null_column = "episode_index";
  std::swap(set.rows[11], set.rows[14]);
  set.write();
  EXPECT_THAT(opening_error(), HasSubstr("episode 0 lacks rows"));
  const LerobotDataset rest = open_set(folder(), {.unreadable = UnreadableEpisodes::kSkip});
  expect_complete(rest, {1, 2});
}

TEST_F(UnreadableEpisodesTest, EpisodesThatCannotBeReadAreLeftOutOnRequest) {
  const DatasetOptions skip{.unreadable = UnreadableEpisodes::kSkip};
  LerobotSet set(folder());
  for (SetRow& row : set.rows) {
    if (row.episode == 2) row.file = {0, 1};
  }
  set.table[2].data = {0, 1};
  set.rows[3].lacks_action = true;
  set.write();
  const LerobotDataset without_action = open_set(folder(), skip);
  expect_complete(without_action, {1, 2});
  EXPECT_THAT(only_warning(without_action), HasSubstr("row 3 of the column 'action'"));

  const fs::path second = set.data_file({0, 1});
  fs::resize_file(second, fs::file_size(second) - 200);
  EXPECT_THAT(opening_error({.episodes = {"2"}, .unreadable = UnreadableEpisodes::kSkip}),
              HasSubstr("footer"));
  const LerobotDataset one = open_set(folder(), skip);
  expect_complete(one, {1});
  EXPECT_THAT(one.left_out(),
              ElementsAre(HasSubstr("row 3 of the column 'action'"),
                          AllOf(HasSubstr("file-001.parquet: episode 2 cannot be read: "),
                                HasSubstr("footer"))));
  EXPECT_THAT(one.findings().warnings(),
              ElementsAre(HasSubstr("announces 3 episodes"), "left out: " + one.left_out()[0],
                          "left out: " + one.left_out()[1]));

  for (SetRow& row : set.rows) row.null_column = "frame_index";
  set.write();
  EXPECT_THAT(opening_error(skip), HasSubstr("row 0 of the column 'frame_index'"));
}

TEST_F(UnreadableEpisodesTest, ANullStringIsAnErrorOfItsEpisode) {
  LerobotSet set(folder(), "v3.0", "image");
  set.string_columns = {{"note", "careful"}};
  set.info["features"]["note"] = {{"dtype", "string"}, {"shape", {1}}, {"names", nullptr}};
  set.rows[14].null_column = "note";
  set.write();
  const LerobotDataset all = open_set(folder(), {.streams = {"note"}});
  EXPECT_EQ(all.read(0, "note", 0, 1).size(1), 64);
  EXPECT_THAT(error_text([&] { all.read_all(1, "note"); }),
              HasSubstr("column 'note', row 14: the value is null"));
  expect_complete(
      open_set(folder(), {.streams = {"note"}, .unreadable = UnreadableEpisodes::kSkip}), {0, 2});
}

// Lengths in the table are only compared with the rows.
TEST_F(UnreadableEpisodesTest, ANullLengthInTheTableIsUnknown) {
  LerobotSet set(folder());
  set.table[1].lacks_length = true;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_EQ(only_warning(dataset), "");
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
