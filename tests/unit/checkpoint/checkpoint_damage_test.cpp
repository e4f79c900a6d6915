// Tests that damaged checkpoints are detected and reported.
#include <fstream>

#include "roboimi/checkpoint/checkpoint_json.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "tests/error_text.h"
#include "tests/unit/checkpoint/checkpoint_fixture.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

TEST_F(CheckpointTest, ThatIsDamagedReportsTheNewestIntactOne) {
  CheckpointStore store(folder_, 3);
  EXPECT_FALSE(store.read_latest().has_value());
  for (const std::int64_t step : {10, 20, 30}) store.save(small_checkpoint(step));
  EXPECT_EQ(store.read_latest()->state.step, 30);
  fs::resize_file(folder_ / "step_00000030/model.safetensors", 100);
  std::ofstream(folder_ / "step_00000020/state.json") << "{";
  const auto error = [&]() -> std::string {
    try {
      store.read_latest();
    } catch (const Error& found) {
      return found.what();
    }
    return "no error";
  };
  EXPECT_THAT(error(), HasSubstr("step_00000030/model.safetensors: the newest checkpoint is "
                                 "damaged: not the file that was saved"));
  EXPECT_THAT(error(), HasSubstr("to continue from step_00000010, remove " +
                                 (folder_ / "step_00000030").string()));
  fs::remove_all(folder_ / "step_00000010");
  EXPECT_THAT(error(), HasSubstr("this run has no intact checkpoint"));
}

// Flips one bit.
void damage(const fs::path& file, std::streamoff at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(at);
  const int byte = stream.get();
  stream.seekp(at);
  stream.put(static_cast<char>(byte ^ 1));
}

TEST_F(CheckpointTest, ReportsFilesThatDifferFromTheSavedOnes) {
  for (const std::string name :
       {"model.safetensors", "ema.safetensors", "optimizer.safetensors", "config.yaml"}) {
    const fs::path folder = CheckpointStore(folder_, 3).save(small_checkpoint(10));
    EXPECT_THAT(problems_of_checkpoint(folder), ElementsAre());
    const std::string before = sha256_file(folder / name);
    damage(folder / name, static_cast<std::streamoff>(fs::file_size(folder / name)) - 2);
    const std::string text = error_text([&] { read_checkpoint(folder); });
    EXPECT_THAT(text, HasSubstr((folder / name).string() +
                                ": not the file that was saved: damaged "
                                "or changed: expected SHA-256 " +
                                before + "; found " + sha256_file(folder / name)));
    EXPECT_THAT(problems_of_checkpoint(folder), ElementsAre(text));
  }
}

TEST_F(CheckpointTest, NeedsTheOptimizerFileOnlyToResume) {
  const fs::path folder = CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::remove(folder / "optimizer.safetensors");
  EXPECT_NO_THROW(read_checkpoint(folder, /*with_optimizer=*/false));
  EXPECT_THAT(problems_of_checkpoint(folder),
              ElementsAre(HasSubstr("optimizer.safetensors: cannot open: No such file")));
}

TEST_F(CheckpointTest, DetectsAnyChangeOfItsState) {
  const fs::path folder = CheckpointStore(folder_, 3).save(small_checkpoint(10));
  const std::string good = read_text(folder / "state.json");
  EXPECT_THAT(good, HasSubstr("\n  \"body_sha256\": \""));
  for (std::size_t i = 0; i + 3 < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_THROW(checkpoint_state_from_json(bad, "state.json"), Error) << i << ": " << bad[i];
  }
  CheckpointStore store(folder_, 3);
  store.record_rollouts(10, {{"success_rate", 0.25}});
  EXPECT_EQ(read_checkpoint(folder).state.rollouts.at("success_rate"), 0.25);
}

TEST_F(CheckpointTest, WithDamagedStateIsSkippedIfItIsNotTheNewest) {
  CheckpointStore store(folder_, 1);
  save(store, 10, 0.9);
  damage(folder_ / "step_00000010" / "state.json", 30);
  save(store, 20, 0.5);
  save(store, 30);
  EXPECT_EQ(store.latest(), folder_ / "step_00000030");
  EXPECT_EQ(fs::read_symlink(folder_ / "best"), "step_00000020");
  // It is not pruned, so that the user can examine it.
  EXPECT_THAT(names(),
              ElementsAre("best", "latest", "step_00000010", "step_00000020", "step_00000030"));
}

TEST_F(CheckpointTest, WithDamagedStateIsAnError) {
  const std::string good = checkpoint_state_to_json(small_checkpoint(10).state);
  for (const std::string& text : {good.substr(0, good.size() / 2), std::string("[1, 2]"),
                                  std::string("{\"format\": 1, \"step\": \"ten\"}")}) {
    try {
      checkpoint_state_from_json(text, "state.json");
      FAIL() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("state.json: damaged checkpoint: "));
    }
  }
}

}  // namespace
}  // namespace roboimi
