#include "roboimi/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/train/checkpoint_json.h"
#include "tests/deny_system_call.h"
#include "tests/error_text.h"
#include "tests/unit/train/tiny_agent.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

Checkpoint small_checkpoint(std::int64_t step, std::int64_t numbers = 4) {
  Checkpoint checkpoint;
  checkpoint.state.step = step;
  checkpoint.state.ema_step = step;
  checkpoint.state.spec = testing::tiny_spec();
  checkpoint.state.conditions = NumericConditions::current("cpu");
  checkpoint.model["weight"] = at::full({numbers}, static_cast<double>(step));
  checkpoint.ema["weight"] = at::full({numbers}, 0.5);
  checkpoint.optimizer["step"] = at::full({}, static_cast<double>(step));
  checkpoint.config_yaml = "name: test\n";
  return checkpoint;
}

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() { fs::remove_all(folder_); }
  ~CheckpointTest() override { fs::remove_all(folder_); }

  void save(CheckpointStore& store, std::int64_t step, std::optional<double> success = {}) {
    store.save(small_checkpoint(step));
    if (success) store.record_rollouts(step, {{"success_rate", *success}});
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& item : fs::directory_iterator(folder_)) {
      names.push_back(item.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_checkpoint_test";
};

TEST_F(CheckpointTest, SaysHowItsStepsWereComputed) {
  CheckpointState state = small_checkpoint(1).state;
  const NumericConditions plain = state.conditions;
  state.conditions.matmul = "tf32";
  state.conditions.cuda_graph = true;
  const NumericConditions found =
      checkpoint_state_from_json(checkpoint_state_to_json(state), "state.json").conditions;
  EXPECT_EQ(found.difference(state.conditions), "");
  EXPECT_EQ(found.difference(plain), "matmul tf32 against fp32, CUDA graph true against false");
}

TEST_F(CheckpointTest, ComesBackAsItWasSaved) {
  CheckpointStore store(folder_, 3);
  Checkpoint saved = small_checkpoint(50000);
  saved.state.seed = 0xFFFFFFFFFFFFFFFFULL;
  saved.state.metrics = {{"train/loss", 0.1}};
  saved.state.action_range = {.min = {-0.1, 0}, .max = {1, 2}, .largest_step = {0.3, 1e-9}};
  saved.state.spec.camera_names = {"front", "top"};
  saved.state.spec.images = {{"front", {48, 64}}, {"top", {32, 32}}};
  const fs::path folder = store.save(saved);
  EXPECT_EQ(folder.filename(), "step_00050000");
  const Checkpoint read = read_checkpoint(folder);
  EXPECT_EQ(read.state.step, 50000);
  EXPECT_EQ(read.state.ema_step, 50000);
  EXPECT_EQ(read.state.seed, 0xFFFFFFFFFFFFFFFFULL);
  EXPECT_EQ(read.state.metrics.at("train/loss"), 0.1);
  EXPECT_EQ(read.state.action_range->min, saved.state.action_range->min);
  EXPECT_EQ(read.state.action_range->max, saved.state.action_range->max);
  EXPECT_EQ(read.state.action_range->largest_step, saved.state.action_range->largest_step);
  EXPECT_EQ(read.state.spec.difference(saved.state.spec), "");
  EXPECT_EQ(read.state.spec.camera_names, saved.state.spec.camera_names);
  EXPECT_EQ(read.state.conditions.difference(saved.state.conditions), "");
  EXPECT_EQ(read.config_yaml, "name: test\n");
  EXPECT_TRUE(at::equal(read.model.at("weight"), saved.model.at("weight")));
  EXPECT_TRUE(at::equal(read.ema.at("weight"), saved.ema.at("weight")));
  EXPECT_TRUE(at::equal(read.optimizer.at("step"), saved.optimizer.at("step")));
}

TEST_F(CheckpointTest, KeepsTheBestTheNewestAndOfEqualsTheLater) {
  CheckpointStore store(folder_, 2);
  save(store, 10, 0.5);
  save(store, 20, 0.9);
  save(store, 30, 0.5);
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step_00000020", "step_00000030"));
  save(store, 40, 0.2);
  EXPECT_THAT(names(),
              ElementsAre("best", "latest", "step_00000020", "step_00000030", "step_00000040"));
  save(store, 50, 0.9);
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step_00000020", "step_00000050"));
  EXPECT_EQ(fs::read_symlink(folder_ / "best"), "step_00000050");
  EXPECT_EQ(fs::read_symlink(folder_ / "latest"), "step_00000050");
}

TEST_F(CheckpointTest, RanksTheSameAfterARestart) {
  {
    CheckpointStore store(folder_, 1);
    save(store, 10, 0.8);
  }
  CheckpointStore store(folder_, 1);
  save(store, 20, 0.3);
  save(store, 30);
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step_00000010", "step_00000030"));
}

TEST_F(CheckpointTest, ReplacesOneOfTheSameStep) {
  CheckpointStore store(folder_, 3);
  store.save(small_checkpoint(10));
  Checkpoint other = small_checkpoint(10);
  other.model["weight"].fill_(-1.0);
  store.save(other);
  EXPECT_THAT(names(), ElementsAre("latest", "step_00000010"));
  EXPECT_EQ(read_checkpoint(folder_ / "latest").model.at("weight")[0].item<float>(), -1.0F);
}

TEST_F(CheckpointTest, ThatIsDamagedNamesThePreviousOne) {
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
  EXPECT_THAT(error(), HasSubstr("none of this run is whole"));
}

TEST_F(CheckpointTest, ThatDoesNotFitTheDiskLeavesThePreviousOne) {
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

TEST_F(CheckpointTest, OfAKilledWriterIsClearedAwayBeforeTheNextIsSaved) {
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

TEST_F(CheckpointTest, LeavesWhatIsNotItsOwnAlone) {
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

TEST_F(CheckpointTest, IsPointedAtOnceMoreWhereTheLinksWereNotUpdated) {
  CheckpointStore writer(folder_, 1);
  save(writer, 10, 0.25);
  save(writer, 20, 0.75);
  // As after a kill between the record of the rollouts and the links.
  writer.save(small_checkpoint(30));
  fs::remove(folder_ / "best");
  fs::create_directory_symlink("step_00000010", folder_ / "best");
  fs::create_directory_symlink("step_00000030", folder_ / ".best.tmp999999-1-2");
  CheckpointStore(folder_, 1).recover();
  EXPECT_EQ(fs::read_symlink(folder_ / "best"), "step_00000020");
  EXPECT_EQ(fs::read_symlink(folder_ / "latest"), "step_00000030");
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step_00000020", "step_00000030"));
}

TEST_F(CheckpointTest, ThatIsALinkIsReadAndNotPruned) {
  CheckpointStore(folder_ / "archive", 3).save(small_checkpoint(10));
  fs::create_directories(folder_ / "run");
  fs::create_directory_symlink("../archive/step_00000010", folder_ / "run" / "step_00000010");
  CheckpointStore store(folder_ / "run", 0);
  EXPECT_EQ(store.read_latest()->state.step, 10);
  store.save(small_checkpoint(20));
  EXPECT_TRUE(fs::is_symlink(folder_ / "run" / "step_00000010"));
  EXPECT_TRUE(fs::exists(folder_ / "archive" / "step_00000010" / "state.json"));
}

TEST_F(CheckpointTest, HasItsNameBackWhenItsReplacementWasKilled) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::rename(folder_ / "step_00000010", folder_ / ".replaced_step_00000010");
  EXPECT_EQ(CheckpointStore(folder_, 3).read_latest()->state.step, 10);
}

TEST_F(CheckpointTest, IsFoundByRunByFolderAndByLink) {
  CheckpointStore store(folder_ / "checkpoints", 3);
  store.save(small_checkpoint(10));
  store.save(small_checkpoint(20));
  EXPECT_EQ(find_checkpoint(folder_).filename(), "step_00000020");
  EXPECT_EQ(find_checkpoint(folder_ / "checkpoints").filename(), "step_00000020");
  EXPECT_EQ(find_checkpoint(folder_ / "checkpoints" / "step_00000010").filename(), "step_00000010");
  EXPECT_EQ(read_checkpoint_state(find_checkpoint(folder_ / "checkpoints" / "latest")).step, 20);
  try {
    find_checkpoint(folder_ / "nowhere");
    FAIL() << "found";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("nowhere: no checkpoint here: expected a run's folder"));
  }
}

// ---- Runs that travelled ------------------------------------------------------------------------

// As zip, cp -rL, rsync -L and hubs leave a link.
void replace_by_copy(const fs::path& link) {
  const fs::path target = link.parent_path() / fs::read_symlink(link);
  fs::remove(link);
  fs::copy(target, link);
}

TEST_F(CheckpointTest, IsSavedOnWhereTheLinksBecameFolders) {
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

TEST_F(CheckpointTest, IsTheNewestOfAllWhereLatestIsACopy) {
  {
    CheckpointStore store(folder_, 3);
    save(store, 10);
    replace_by_copy(folder_ / "latest");
  }
  CheckpointStore(folder_ / "elsewhere", 3).save(small_checkpoint(20));
  fs::rename(folder_ / "elsewhere/step_00000020", folder_ / "step_00000020");
  EXPECT_EQ(find_checkpoint(folder_ / "latest"), folder_ / "step_00000020");
}

TEST_F(CheckpointTest, ThatOnlyLatestHoldsIsKeptUnderANameOfItsOwn) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::remove(folder_ / "latest");
  fs::rename(folder_ / "step_00000010", folder_ / "latest");
  EXPECT_EQ(find_checkpoint(folder_), folder_ / "latest");
  CheckpointStore store(folder_, 1);
  EXPECT_EQ(store.read_latest()->state.step, 10);
  store.record_rollouts(10, {{"success_rate", 0.5}});  // owed by it
  store.save(small_checkpoint(20));
  EXPECT_THAT(names(), ElementsAre("latest", "step_00000010_latest", "step_00000020"));
  EXPECT_EQ(fs::read_symlink(folder_ / "latest"), "step_00000020");
  EXPECT_EQ(store.read_latest()->state.step, 20);
}

TEST_F(CheckpointTest, OfAnotherNameIsTakenWhereThereIsNoOther) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::rename(folder_ / "step_00000010", folder_ / "step_00000010_good");
  fs::remove(folder_ / "latest");
  EXPECT_EQ(find_checkpoint(folder_), folder_ / "step_00000010_good");
  CheckpointStore store(folder_, 0);
  EXPECT_EQ(store.read_latest()->state.step, 10);
  store.save(small_checkpoint(5));
  // One that roboimi named wins, whatever its step; the other is the user's.
  EXPECT_EQ(find_checkpoint(folder_), folder_ / "step_00000005");
  store.save(small_checkpoint(6));
  EXPECT_THAT(names(), ElementsAre("latest", "step_00000006", "step_00000010_good"));
}

TEST_F(CheckpointTest, IsPointedAtByAFileWhereThereAreNoLinks) {
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

TEST_F(CheckpointTest, IsFoundWhereLatestPointsNowhereButNotForBest) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::remove(folder_ / "latest");
  fs::create_symlink("step_00000020", folder_ / "latest");
  fs::create_symlink("step_00000020", folder_ / "best");
  EXPECT_EQ(find_checkpoint(folder_ / "latest"), folder_ / "step_00000010");
  EXPECT_THAT(error_text([&] { find_checkpoint(folder_ / "best"); }),
              HasSubstr("best: the best checkpoint is not here: expected step_00000020; found "
                        "step_00000010; name the checkpoint that you mean"));
}

TEST_F(CheckpointTest, IsNamedWhenOneOfItsFilesIsGiven) {
  CheckpointStore(folder_, 3).save(small_checkpoint(10));
  const fs::path checkpoint = folder_ / "step_00000010";
  EXPECT_THAT(error_text([&] { find_checkpoint(checkpoint / "model.safetensors"); }),
              HasSubstr("found a file of a checkpoint; name its folder: " + checkpoint.string()));
}

// ---- Sums ---------------------------------------------------------------------------------------

// Changes one byte.
void damage(const fs::path& file, std::streamoff at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(at);
  const int byte = stream.get();
  stream.seekp(at);
  stream.put(static_cast<char>(byte ^ 1));
}

TEST_F(CheckpointTest, NamesTheFileThatIsNotWhatWasSaved) {
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

TEST_F(CheckpointTest, NeedsTheOptimizersSumOnlyToGoOn) {
  const fs::path folder = CheckpointStore(folder_, 3).save(small_checkpoint(10));
  fs::remove(folder / "optimizer.safetensors");
  EXPECT_NO_THROW(read_checkpoint(folder, /*with_optimizer=*/false));
  EXPECT_THAT(problems_of_checkpoint(folder),
              ElementsAre(HasSubstr("optimizer.safetensors: cannot open: No such file")));
}

TEST_F(CheckpointTest, NoticesAnyChangeOfItsState) {
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

TEST_F(CheckpointTest, WithADamagedOldStateIsPassedOver) {
  CheckpointStore store(folder_, 1);
  save(store, 10, 0.9);
  damage(folder_ / "step_00000010" / "state.json", 30);
  save(store, 20, 0.5);
  save(store, 30);
  EXPECT_EQ(store.latest(), folder_ / "step_00000030");
  EXPECT_EQ(fs::read_symlink(folder_ / "best"), "step_00000020");
  // It is not pruned: somebody may want to look at it.
  EXPECT_THAT(names(),
              ElementsAre("best", "latest", "step_00000010", "step_00000020", "step_00000030"));
}

TEST_F(CheckpointTest, KeepsWhatTheNextLineOfMetricsHasOfTheStepsSoFar) {
  Checkpoint saved = small_checkpoint(10);
  saved.state.unlogged = {.steps = 3, .processes = {{{"loss", 0.1F}}, {{"loss", 2.5}}}};
  const Checkpoint read = read_checkpoint(CheckpointStore(folder_, 3).save(saved));
  EXPECT_EQ(read.state.unlogged.steps, 3);
  EXPECT_EQ(read.state.unlogged.processes, saved.state.unlogged.processes);
}

TEST_F(CheckpointTest, WithDamagedStateSaysSo) {
  const std::string good = checkpoint_state_to_json(small_checkpoint(10).state);
  for (const std::string& text : {good.substr(0, good.size() / 2), std::string("[1, 2]"),
                                  std::string("{\"format\": 1, \"step\": \"ten\"}")}) {
    try {
      checkpoint_state_from_json(text, "state.json");
      FAIL() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("state.json: a damaged checkpoint: "));
    }
  }
}

TEST(LoadTensorsStrictly, ListsWhatIsMissingUnexpectedAndMisshapen) {
  const auto agent = testing::make_tiny_agent();
  TensorMap tensors;
  for (const auto& [name, tensor] : tensors_of(*agent)) tensors[name] = tensor.detach().clone();
  tensors.erase("first.bias");
  tensors["extra"] = at::zeros({1});
  tensors["second.bias"] = at::zeros({3});
  try {
    load_tensors_strictly(*agent, tensors, "model.safetensors");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("1 missing (first.bias)"));
    EXPECT_THAT(error.what(), HasSubstr("1 unexpected (extra)"));
    EXPECT_THAT(error.what(), HasSubstr("second.bias: Float [3] against the model's Float [8]"));
  }
}

}  // namespace
}  // namespace roboimi
