// Tests of checkpoint folders with full disks, killed processes and links.
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "roboimi/common/error.h"
#include "tests/unit/checkpoint/checkpoint_fixture.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

TEST_F(CheckpointTest, ThatExceedsTheDiskKeepsThePreviousOne) {
  CheckpointStore store(folder_, 3);
  store.save(small_checkpoint(10));
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 65536, .rlim_max = former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string message;
  try {
    store.save(small_checkpoint(20, 100000));
  } catch (const Error& error) {
    message = error.what();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
  EXPECT_THAT(message, HasSubstr("size limit"));
  EXPECT_THAT(names(), ElementsAre("latest", "step_00000010"));
  EXPECT_EQ(read_checkpoint(find_checkpoint(folder_)).state.step, 10);
}

TEST_F(CheckpointTest, OfAKilledWriterIsRemovedBeforeTheNextSave) {
  CheckpointStore(folder_, 3).save(small_checkpoint(5));
  for (const char* name : {".step_00000020.tmp123", ".step_00000020.tmp123-0badcafe",
                           ".removed_step_00000010", ".latest.123-0badcafe"}) {
    fs::create_directories(folder_ / name);
  }
  fs::create_symlink("step_00000007", folder_ / ".best.77");
  CheckpointStore store(folder_, 3);
  EXPECT_EQ(names().size(), 7U);
  store.save(small_checkpoint(10));
  EXPECT_THAT(names(), ElementsAre("latest", "step_00000005", "step_00000010"));
}

TEST_F(CheckpointTest, IsRemovedAlsoIfAnEarlierRemovalOfItsStepIsIncomplete) {
  CheckpointStore store(folder_, 1);
  store.save(small_checkpoint(10));
  fs::create_directories(folder_ / ".removed_step_00000010");
  std::ofstream(folder_ / ".removed_step_00000010" / ".nfs0001") << "open";
  store.save(small_checkpoint(20));
  EXPECT_THAT(names(), ElementsAre("latest", "step_00000020"));
}

TEST_F(CheckpointTest, DoesNotTouchForeignFiles) {
  // A folder of checkpoints that is a link to a home folder, and links out of it.
  const fs::path home = folder_ / "home", outside = folder_ / "outside";
  fs::create_directories(home / ".ssh");
  fs::create_directories(outside);
  std::ofstream(home / ".profile") << "kept";
  std::ofstream(outside / "file") << "kept";
  fs::create_directory_symlink(outside, home / ".step_00000020.tmp123");
  fs::create_directory_symlink(outside, home / ".removed_step_00000001");
  fs::create_directory_symlink(home, folder_ / "checkpoints");
  CheckpointStore store(folder_ / "checkpoints", 0);
  store.save(small_checkpoint(10));
  store.save(small_checkpoint(20));
  EXPECT_TRUE(fs::is_directory(home / ".ssh"));
  EXPECT_TRUE(fs::exists(home / ".profile"));
  EXPECT_TRUE(fs::exists(outside / "file"));
  EXPECT_FALSE(fs::is_symlink(home / ".step_00000020.tmp123"));
  EXPECT_EQ(fs::read_symlink(home / "latest"), "step_00000020");
  EXPECT_FALSE(fs::exists(home / "step_00000010"));
}

TEST_F(CheckpointTest, HasItsLinksRepairedIfTheyWereNotUpdated) {
  CheckpointStore writer(folder_, 1);
  save(writer, 10, 0.25);
  save(writer, 20, 0.75);
  // The state after a kill between recording the rollouts and updating the links.
  writer.save(small_checkpoint(30));
  fs::remove(folder_ / "best");
  fs::create_directory_symlink("step_00000010", folder_ / "best");
  fs::create_directory_symlink("step_00000030", folder_ / ".best.tmp999999-1-2");
  CheckpointStore(folder_, 1).recover();
  EXPECT_EQ(fs::read_symlink(folder_ / "best"), "step_00000020");
  EXPECT_EQ(fs::read_symlink(folder_ / "latest"), "step_00000030");
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step_00000020", "step_00000030"));
}

TEST_F(CheckpointTest, ThatIsALinkIsReadButNotPruned) {
  CheckpointStore(folder_ / "archive", 3).save(small_checkpoint(10));
  fs::create_directories(folder_ / "run");
  fs::create_directory_symlink("../archive/step_00000010", folder_ / "run" / "step_00000010");
  CheckpointStore store(folder_ / "run", 0);
  EXPECT_EQ(store.read_latest()->state.step, 10);
  store.save(small_checkpoint(20));
  EXPECT_TRUE(fs::is_symlink(folder_ / "run" / "step_00000010"));
  EXPECT_TRUE(fs::exists(folder_ / "archive" / "step_00000010" / "state.json"));
}

TEST_F(CheckpointTest, IsRestoredWhenItsReplacementWasKilled) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::rename(folder_ / "step_00000010", folder_ / ".replaced_step_00000010");
  EXPECT_EQ(CheckpointStore(folder_, 3).read_latest()->state.step, 10);
}

}  // namespace
}  // namespace roboimi
