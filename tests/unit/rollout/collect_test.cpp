#include "roboimi/rollout/collect.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <deque>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/rollout/collect_workers.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Writes each episode as a text file with its seed.
class SeedWriter : public EpisodeWriter {
 public:
  fs::path file_of(const fs::path& folder, std::int64_t index) const override {
    return folder / ("episode_" + std::to_string(index) + ".txt");
  }
  void write(const fs::path& file, const EpisodeRecord& record) const override {
    write_text_atomically(file, std::to_string(*record.seed));
  }
  EpisodeHeader read_header(const fs::path& file) const override {
    const std::string text = read_text(file);
    if (text.empty()) throw Error({.what = "empty", .where = file.string()});
    return {.seed = std::stoull(text), .success = true};
  }
};

// Every third seed fails.
bool succeeds(std::uint64_t seed) { return seed % 3 != 0; }

class CollectionTest : public ::testing::Test {
 protected:
  CollectionOptions options(std::int64_t num_episodes) const {
    return {.output = folder_ / "out",
            .num_episodes = num_episodes,
            .first_seed = 10,
            .max_attempts = 100,
            .settings = "noise: 0"};
  }
  Collection open(std::int64_t num_episodes) const {
    return Collection(options(num_episodes), writer_);
  }
  void attempt(Collection& collection, std::uint64_t seed) const {
    EpisodeRecord record;
    record.seed = seed;
    if (succeeds(seed)) writer_->write(collection.staged_file(seed), record);
    collection.finish(seed, succeeds(seed));
  }
  // Seeds of the episodes in place.
  std::vector<std::uint64_t> seeds() const {
    std::vector<std::uint64_t> found;
    for (std::int64_t i = 0; fs::exists(writer_->file_of(folder_ / "out", i)); ++i) {
      found.push_back(writer_->read_header(writer_->file_of(folder_ / "out", i)).seed.value());
    }
    return found;
  }
  ScratchFolder folder_;
  std::shared_ptr<SeedWriter> writer_ = std::make_shared<SeedWriter>();
};

TEST_F(CollectionTest, NumbersTheSuccessesInTheOrderOfTheirSeeds) {
  Collection collection = open(5);
  std::int64_t attempts = 0;
  while (const auto seed = collection.next_seed()) {
    attempt(collection, *seed);
    ++attempts;
  }
  EXPECT_TRUE(collection.complete());
  EXPECT_THAT(seeds(), ElementsAre(10, 11, 13, 14, 16));
  EXPECT_EQ(collection.num_failed(), 2);  // 12 and 15
  EXPECT_EQ(attempts, 7);
}

TEST_F(CollectionTest, GivesTheSameEpisodesWhateverTheOrderInWhichWorkersFinish) {
  Collection collection = open(5);
  std::deque<std::uint64_t> busy;
  while (!collection.complete()) {
    while (busy.size() < 4) {
      const auto seed = collection.next_seed();
      if (!seed) break;
      busy.push_back(*seed);
    }
    ASSERT_FALSE(busy.empty());
    attempt(collection, busy.back());  // the last one first
    busy.pop_back();
  }
  for (const std::uint64_t seed : busy) attempt(collection, seed);
  collection.clean_up();
  EXPECT_THAT(seeds(), ElementsAre(10, 11, 13, 14, 16));
  EXPECT_EQ(collection.num_failed(), 2);
  EXPECT_FALSE(fs::exists(folder_ / "out/.staged"));
}

TEST_F(CollectionTest, ContinuesWithoutRepeatingAttempts) {
  {
    Collection collection = open(5);
    const std::uint64_t first = *collection.next_seed(), second = *collection.next_seed(),
                        third = *collection.next_seed(), fourth = *collection.next_seed();
    attempt(collection, first);
    attempt(collection, second);
    attempt(collection, fourth);  // 13 waits for 12
    EXPECT_EQ(third, 12U);
    EXPECT_EQ(collection.num_written(), 2);
    write_text_atomically(folder_ / "out/.staged/.episode_12.txt.tmp77", "partial");
    collection.clean_up();
  }
  {
    Collection collection = open(5);
    EXPECT_EQ(collection.num_kept(), 2);
    std::vector<std::uint64_t> attempted;
    while (const auto seed = collection.next_seed()) {
      attempted.push_back(*seed);
      attempt(collection, *seed);
    }
    EXPECT_THAT(attempted, ElementsAre(12, 14, 15, 16));
  }
  EXPECT_THAT(seeds(), ElementsAre(10, 11, 13, 14, 16));
  // A larger number of episodes also continues, and counts the failures from the start.
  Collection more = open(7);
  EXPECT_EQ(more.num_kept(), 5);
  EXPECT_EQ(more.num_failed(), 2);
  while (const auto seed = more.next_seed()) attempt(more, *seed);
  EXPECT_THAT(seeds(), ElementsAre(10, 11, 13, 14, 16, 17, 19));
}

TEST_F(CollectionTest, FillsTheGapsOfAKilledCollectionAlsoForFewerEpisodes) {
  {
    Collection collection = open(5);
    for (std::uint64_t seed = 10; seed < 15; ++seed) EXPECT_EQ(collection.next_seed(), seed);
    // Killed while 10 and 12 were in progress.
    for (const std::uint64_t seed : {11U, 13U, 14U}) attempt(collection, seed);
    EXPECT_EQ(collection.num_written(), 0);
  }
  Collection fewer = open(2);
  EXPECT_EQ(fewer.next_seed(), 10U);
  attempt(fewer, 10);
  EXPECT_TRUE(fewer.complete());
  EXPECT_THAT(seeds(), ElementsAre(10, 11));
}

TEST_F(CollectionTest, RecordsADamagedEpisodeAgain) {
  {
    Collection collection = open(5);
    while (const auto seed = collection.next_seed()) attempt(collection, *seed);
  }
  fs::resize_file(folder_ / "out/episode_2.txt", 0);
  Collection collection = open(5);
  EXPECT_FALSE(collection.complete());
  std::vector<std::uint64_t> attempted;
  while (const auto seed = collection.next_seed()) {
    attempted.push_back(*seed);
    attempt(collection, *seed);
  }
  EXPECT_THAT(attempted, ElementsAre(12, 13));
  EXPECT_THAT(seeds(), ElementsAre(10, 11, 13, 14, 16));
}

// A huge seed would make every seed below it a failed attempt.
TEST_F(CollectionTest, RecordsAnEpisodeWithAnImpossibleSeedAgain) {
  {
    Collection collection = open(5);
    while (const auto seed = collection.next_seed()) attempt(collection, *seed);
  }
  const fs::path file = folder_ / "out/episode_2.txt";
  for (const char* seed : {"18446744073709551615", "110", "3", "11"}) {
    write_text_atomically(file, seed);
    ::testing::internal::CaptureStderr();
    Collection collection = open(5);
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr(file.string() + " will be recorded again: "));
    EXPECT_THAT(log, HasSubstr(std::string("expected 12 to 109, the seeds after the previous "
                                           "episode within collect.max_attempts; found ") +
                               seed));
    std::vector<std::uint64_t> attempted;
    while (const auto next = collection.next_seed()) {
      attempted.push_back(*next);
      attempt(collection, *next);
    }
    EXPECT_THAT(attempted, ElementsAre(12, 13));
    EXPECT_THAT(seeds(), ElementsAre(10, 11, 13, 14, 16));
  }
}

TEST_F(CollectionTest, RejectsAFolderWithOtherSettings) {
  { Collection collection = open(2); }
  CollectionOptions other = options(2);
  other.settings = "noise: 0.1";
  const std::string text = error_text([&] { Collection(other, writer_); });
  EXPECT_THAT(text, HasSubstr("collected with other settings: expected 'noise: 0', as in " +
                              (folder_ / "out/collection.txt").string() + "; found 'noise: 0.1'"));
  EXPECT_THAT(text, HasSubstr("choose another collect.output"));
}

TEST_F(CollectionTest, RejectsAnotherBuildOfTheSimulator) {
  CollectionOptions built = options(2);
  built.simulator = "mujoco_env 0.1.0 sha256 aaaa";
  { Collection collection(built, writer_); }
  { Collection same(built, writer_); }
  built.simulator = "mujoco_env 0.1.0 sha256 bbbb";
  EXPECT_THAT(
      error_text([&] { Collection(built, writer_); }),
      HasSubstr("the folder has episodes from another build of the simulator: expected mujoco_env "
                "0.1.0 sha256 aaaa, as in " +
                (folder_ / "out/collection.txt").string() +
                "; found mujoco_env 0.1.0 sha256 bbbb; use that build"));
}

TEST_F(CollectionTest, ContinuesAFolderThatDoesNotNameItsSimulator) {
  write_text_atomically(folder_ / "out/collection.txt", "first_seed: 10\nnoise: 0\n");
  CollectionOptions built = options(2);
  built.simulator = "mujoco_env 0.1.0 sha256 aaaa";
  Collection collection(built, writer_);
  EXPECT_FALSE(collection.complete());
}

TEST_F(CollectionTest, LocksItsFolder) {
  Collection collection = open(2);
  EXPECT_THAT(error_text([&] { open(2); }),
              ::testing::AllOf(HasSubstr((folder_ / "out").string() +
                                         ": another process is using this collection"),
                               HasSubstr("process " + std::to_string(::getpid()) + " on ")));
}

// Files that are not episodes, in another folder.
TEST_F(CollectionTest, DoesNotFollowALinkAtItsStagingFolder) {
  { Collection collection = open(2); }
  write_text_atomically(folder_ / "home/thesis.tex", "years of work");
  fs::create_directory_symlink(folder_ / "home", folder_ / "out/.staged");
  EXPECT_THAT(error_text([&] { open(2); }),
              HasSubstr((folder_ / "out/.staged").string() +
                        ": cannot store unfinished episodes: expected a folder created by the "
                        "collection, or nothing; found a link; remove it"));
  EXPECT_EQ(read_text(folder_ / "home/thesis.tex"), "years of work");
}

TEST_F(CollectionTest, RemovesOnlyItsOwnStagedFiles) {
  const fs::path staged = folder_ / "out/.staged";
  write_text_atomically(staged / "notes.txt", "mine");
  write_text_atomically(staged / ".hidden.tmp5", "mine");
  write_text_atomically(staged / "episode_x.txt", "mine");
  write_text_atomically(staged / "episode_99.txt", "");  // damaged
  write_text_atomically(staged / ".episode_98.txt.tmp123", "partial");
  write_text_atomically(staged / ".episode_97.txt.tmp8/front.mp4", "partial");
  write_text_atomically(staged / "episode_96.txt/thesis.tex", "years of work");
  write_text_atomically(folder_ / "elsewhere", "97");
  fs::create_symlink(folder_ / "elsewhere", staged / "episode_97.txt");
  {
    Collection collection = open(2);
    while (const auto seed = collection.next_seed()) attempt(collection, *seed);
    collection.clean_up();
  }
  for (const char* name : {"notes.txt", ".hidden.tmp5", "episode_x.txt", "episode_97.txt"}) {
    EXPECT_TRUE(fs::exists(staged / name)) << name;
  }
  EXPECT_FALSE(fs::exists(staged / "episode_99.txt"));
  EXPECT_FALSE(fs::exists(staged / ".episode_98.txt.tmp123"));
  EXPECT_FALSE(fs::exists(staged / ".episode_97.txt.tmp8"));
  EXPECT_TRUE(fs::exists(staged / "episode_96.txt/thesis.tex"));
  EXPECT_EQ(read_text(folder_ / "elsewhere"), "97");
}

TEST_F(CollectionTest, RemovesTheEmptyStagingFolderOfAKilledCollection) {
  fs::create_directories(folder_ / "out/.staged");
  Collection collection = open(2);
  EXPECT_FALSE(fs::exists(folder_ / "out/.staged"));
}

TEST_F(CollectionTest, ExplainsErrorsOfTheFileSystem) {
  write_text_atomically(folder_ / "out", "a file");
  EXPECT_THAT(
      error_text([&] { open(2); }),
      HasSubstr((folder_ / "out").string() +
                ": cannot collect into the folder: Not a directory; check the permissions"));
  fs::remove(folder_ / "out");
  Collection collection = open(2);
  const std::uint64_t seed = *collection.next_seed();
  // A success whose record was deleted.
  EXPECT_THAT(error_text([&] { collection.finish(seed, true); }),
              HasSubstr("cannot collect into the folder: No such file or directory"));
}

TEST_F(CollectionTest, GivesUpAfterMaxAttempts) {
  CollectionOptions few = options(5);
  few.max_attempts = 4;
  Collection collection(few, writer_);
  try {
    while (const auto seed = collection.next_seed()) attempt(collection, *seed);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected 5 successes in 4 attempts; found 3"));
  }
}

// A batch system signals all processes of a job, so a worker may end before its owner gets the
// signal.
TEST_F(CollectionTest, StopsCleanlyWhenASignalEndsItsWorkersFirst) {
  const std::vector<std::string> ended_worker = {"/bin/sh", "-c", "kill -TERM $$"};
  int asked = 0;
  {
    Collection collection = open(2);
    EXPECT_FALSE(collect_episodes(collection, ended_worker, 1,
                                  {.should_stop = [&] { return ++asked > 3; }}));
  }
  Collection collection = open(2);
  EXPECT_THAT(
      error_text([&] { collect_episodes(collection, ended_worker, 1, {}); }),
      HasSubstr(
          "a worker process ended before it finished its work: found signal 15 (Terminated)"));
}

TEST_F(CollectionTest, ReportsAWorkerThatFailsAfterAStopRequest) {
  Collection collection = open(2);
  int asked = 0;
  EXPECT_THAT(error_text([&] {
                collect_episodes(collection, {"/bin/sh", "-c", "sleep 0.2; kill -SEGV $$"}, 1,
                                 {.should_stop = [&] { return ++asked > 3; }});
              }),
              HasSubstr("signal 11 (Segmentation fault)"));
}

}  // namespace
}  // namespace roboimi
