#include "roboimi/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "roboimi/common/error.h"
#include "roboimi/train/checkpoint_json.h"
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
                                 "damaged: not a valid safetensors file"));
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

TEST_F(CheckpointTest, OfAKilledWriterIsClearedAway) {
  fs::create_directories(folder_ / ".step_00000020.tmp123");
  fs::create_directories(folder_ / ".removed_step_00000010");
  const CheckpointStore store(folder_, 3);
  EXPECT_THAT(names(), ElementsAre());
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
