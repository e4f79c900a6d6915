// Placement of written episodes in a dataset: again, in parts, and after a killed process.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "plugins/lerobot_dataset/episode_placement.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "tests/plugins/lerobot_dataset/writer_test.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

using LerobotPlacement = LerobotWriter;

TEST_F(LerobotPlacement, HasTheSameTotalsIfAnEpisodeIsPlacedAgain) {
  const LerobotEpisodeWriter writer({});
  for (std::int64_t number = 0; number < 4; ++number) collect(writer, number);
  const Json stats = json("stats.json"), info = json("info.json");
  for (const std::int64_t number : {1, 3}) {
    fs::remove(table_path(folder(), number));
    collect(writer, number);
    EXPECT_EQ(json("stats.json"), stats) << number;
    EXPECT_EQ(json("info.json"), info) << number;
  }
  // A writer that counts all of them anew.
  fs::remove(table_path(folder(), 3));
  collect(LerobotEpisodeWriter({}), 3);
  EXPECT_EQ(json("stats.json"), stats);
  expect_sound({0, 1, 2, 3});
}

// The steps of place(), in their order.
void step(const EpisodePlacement& placement, int number) {
  const std::vector<std::function<void()>> steps = {
      [&] { placement.write_videos(); }, [&] { placement.write_rows(); },
      [&] { placement.write_totals(); }, [&] { placement.write_table(); }};
  steps[static_cast<std::size_t>(number)]();
}

// cases-data 6: the folder loads with the episodes before, and the same collection completes it.
TEST_F(LerobotPlacement, AnInterruptedPlacementIsCompletedByTheNext) {
  for (const FrameStorage frames : {FrameStorage::kH264, FrameStorage::kPng}) {
    for (int steps = 0; steps <= 4; ++steps) {
      fs::remove_all(folder());
      collect(LerobotEpisodeWriter({.frames = frames}), 0);
      collect(LerobotEpisodeWriter({.frames = frames}), 1);
      const LerobotEpisodeWriter writer({.frames = frames});
      writer.write(staged(2), make_record(2));
      {
        PlacedEpisodes placed;
        placed.update(folder());
        const EpisodePlacement placement(staged(2), folder(), 2, placed);
        for (int i = 0; i < steps; ++i) step(placement, i);
      }
      // The rows of images are whole; videos need the table.
      const bool is_there = steps == 4 || (frames == FrameStorage::kPng && steps >= 2);
      expect_complete(open_set(folder()), is_there ? std::vector<std::int64_t>{0, 1, 2}
                                                   : std::vector<std::int64_t>{0, 1});
      EXPECT_EQ(fs::exists(writer.file_of(folder(), 2)), steps == 4);
      if (steps < 4) {
        EXPECT_EQ(LerobotEpisodeWriter({}).read_header(staged(2)).seed, 102U);
        LerobotEpisodeWriter({.frames = frames}).place(staged(2), folder(), 2);
      }
      expect_sound({0, 1, 2});
    }
  }
}

TEST_F(LerobotPlacement, AProcessMayBeKilledAtAnyMoment) {
  for (const int milliseconds : {5, 20, 40, 60, 80, 110, 150}) {
    fs::remove_all(folder());
    const pid_t child = ::fork();
    if (child == 0) {
      const LerobotEpisodeWriter writer({});
      for (std::int64_t number = 0; number < 3; ++number) collect(writer, number);
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(1000 * milliseconds));
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);

    // The first episodes are there, and a second run adds the others.
    const LerobotEpisodeWriter writer({});
    std::vector<std::int64_t> numbers;
    while (std::ssize(numbers) < 3 && fs::exists(writer.file_of(folder(), std::ssize(numbers)))) {
      numbers.push_back(std::ssize(numbers));
    }
    if (!numbers.empty()) expect_complete(open_set(folder()), numbers);
    for (std::int64_t number = std::ssize(numbers); number < 3; ++number) collect(writer, number);
    expect_sound({0, 1, 2});
  }
}

TEST_F(LerobotPlacement, ADamagedTableIsPlacedAgain) {
  const LerobotEpisodeWriter writer({});
  for (std::int64_t number = 0; number < 3; ++number) collect(writer, number);
  write_text_atomically(writer.file_of(folder(), 1), "PAR1 and nothing else");
  EXPECT_THAT(error_text([&] { writer.read_header(writer.file_of(folder(), 1)); }),
              HasSubstr("file-001.parquet"));
  collect(writer, 1);
  expect_sound({0, 1, 2});
}

TEST_F(LerobotPlacement, AnEpisodeOfAnotherKindIsRefused) {
  const LerobotEpisodeWriter writer({});
  collect(writer, 0);
  const auto error = [&](EpisodeRecord record) {
    return error_text([&] { collect(writer, 1, record); });
  };
  EpisodeRecord slow = make_record(1);
  slow.control_hz = 20.0;
  EXPECT_THAT(error(slow), HasSubstr("the rate differs from the dataset: expected 50, as in"));
  EpisodeRecord narrow = make_record(1);
  narrow.actions = narrow.actions.slice(1, 0, 1);
  EXPECT_THAT(error(narrow), HasSubstr("the feature 'action' differs from the dataset"));
  EXPECT_THAT(error_text([&] { writer.place(writer.file_of(folder(), 0), folder(), 1); }),
              HasSubstr("the episode is already placed and cannot get a different number"));
  fs::remove(writer.file_of(folder(), 0));
  collect(writer, 1);
  EXPECT_THAT(error_text([&] { collect(writer, 0, make_record(0, 5)); }),
              HasSubstr("episode 0 does not fit before episode 1"));
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
