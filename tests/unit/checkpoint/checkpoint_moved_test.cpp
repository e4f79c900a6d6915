// Tests of runs that were copied: through zip, to a file system without links, or partially.
#include "roboimi/common/files.h"
#include "tests/deny_system_call.h"
#include "tests/error_text.h"
#include "tests/unit/checkpoint/checkpoint_fixture.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// Replaces a link by a copy, as zip, cp -rL, rsync -L and hubs do.
void replace_by_copy(const fs::path& link) {
  const fs::path target = link.parent_path() / fs::read_symlink(link);
  fs::remove(link);
  fs::copy(target, link);
}

TEST_F(CheckpointTest, IsSavedWhereLinksBecameFolders) {
  {
    CheckpointStore store(folder_, 3);
    save(store, 10, 0.5);
  }
  replace_by_copy(folder_ / "latest");
  replace_by_copy(folder_ / "best");
  CheckpointStore store(folder_, 3);
  EXPECT_EQ(store.read_latest()->state.step, 10);
  EXPECT_EQ(find_checkpoint(folder_ / "latest"), folder_ / "step_00000010");
  EXPECT_EQ(find_checkpoint(folder_ / "best/"), folder_ / "step_00000010");
  save(store, 20, 0.9);
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step_00000010", "step_00000020"));
  EXPECT_EQ(fs::read_symlink(folder_ / "latest"), "step_00000020");
  EXPECT_EQ(fs::read_symlink(folder_ / "best"), "step_00000020");
}

TEST_F(CheckpointTest, IsTheNewestOfAllIfLatestIsACopy) {
  {
    CheckpointStore store(folder_, 3);
    save(store, 10);
    replace_by_copy(folder_ / "latest");
  }
  CheckpointStore(folder_ / "elsewhere", 3).save(small_checkpoint(20));
  fs::rename(folder_ / "elsewhere/step_00000020", folder_ / "step_00000020");
  EXPECT_EQ(find_checkpoint(folder_ / "latest"), folder_ / "step_00000020");
}

TEST_F(CheckpointTest, ThatExistsOnlyAsLatestIsKeptUnderAnotherName) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::remove(folder_ / "latest");
  fs::rename(folder_ / "step_00000010", folder_ / "latest");
  EXPECT_EQ(find_checkpoint(folder_), folder_ / "latest");
  CheckpointStore store(folder_, 1);
  EXPECT_EQ(store.read_latest()->state.step, 10);
  store.record_rollouts(10, {{"success_rate", 0.5}});  // results of the renamed checkpoint
  store.save(small_checkpoint(20));
  EXPECT_THAT(names(), ElementsAre("latest", "step_00000010_latest", "step_00000020"));
  EXPECT_EQ(fs::read_symlink(folder_ / "latest"), "step_00000020");
  EXPECT_EQ(store.read_latest()->state.step, 20);
}

TEST_F(CheckpointTest, WithAnotherNameIsUsedIfThereIsNoOther) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::rename(folder_ / "step_00000010", folder_ / "step_00000010_good");
  fs::remove(folder_ / "latest");
  EXPECT_EQ(find_checkpoint(folder_), folder_ / "step_00000010_good");
  CheckpointStore store(folder_, 0);
  EXPECT_EQ(store.read_latest()->state.step, 10);
  store.save(small_checkpoint(5));
  // A checkpoint with roboimi's name is preferred, whatever its step; the other one is the user's.
  EXPECT_EQ(find_checkpoint(folder_), folder_ / "step_00000005");
  store.save(small_checkpoint(6));
  EXPECT_THAT(names(), ElementsAre("latest", "step_00000006", "step_00000010_good"));
}

TEST_F(CheckpointTest, IsReferencedByAFileWithoutLinks) {
  EXPECT_EXIT(
      {
        testing::deny_links(EPERM);
        CheckpointStore store(folder_, 3);
        save(store, 10, 0.5);
        save(store, 20, 0.1);
        std::_Exit(names().size() == 4 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(read_text(folder_ / "latest"), "step_00000020\n");
  EXPECT_EQ(read_text(folder_ / "best"), "step_00000010\n");
  EXPECT_EQ(find_checkpoint(folder_ / "latest"), folder_ / "step_00000020");
  EXPECT_EQ(find_checkpoint(folder_ / "best"), folder_ / "step_00000010");
  // Back on a file system with links.
  CheckpointStore store(folder_, 3);
  save(store, 30);
  EXPECT_EQ(fs::read_symlink(folder_ / "latest"), "step_00000030");
  EXPECT_EQ(read_text(folder_ / "best"), "step_00000010\n");
}

TEST_F(CheckpointTest, IsFoundIfLatestIsBrokenButNotIfBestIs) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::remove(folder_ / "latest");
  fs::create_symlink("step_00000020", folder_ / "latest");
  fs::create_symlink("step_00000020", folder_ / "best");
  EXPECT_EQ(find_checkpoint(folder_ / "latest"), folder_ / "step_00000010");
  EXPECT_THAT(error_text([&] { find_checkpoint(folder_ / "best"); }),
              HasSubstr("best: the best checkpoint is missing: expected step_00000020; found "
                        "step_00000010; give the path of a checkpoint"));
}

TEST_F(CheckpointTest, IsSuggestedWhenOneOfItsFilesIsGiven) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  const fs::path checkpoint = folder_ / "step_00000010";
  EXPECT_THAT(error_text([&] { find_checkpoint(checkpoint / "model.safetensors"); }),
              HasSubstr("found a file in a checkpoint; use its folder: " + checkpoint.string()));
}

}  // namespace
}  // namespace roboimi
