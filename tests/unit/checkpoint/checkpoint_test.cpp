// Tests of saving, reading, ranking and finding checkpoints.
#include <nlohmann/json.hpp>

#include "roboimi/checkpoint/checkpoint_json.h"
#include "roboimi/common/error.h"
#include "tests/error_text.h"
#include "tests/unit/checkpoint/checkpoint_fixture.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

TEST_F(CheckpointTest, RecordsItsNumericConditions) {
  CheckpointState state = small_checkpoint(1).state;
  const NumericConditions plain = state.conditions;
  state.conditions.matmul = "tf32";
  state.conditions.cuda_graph = true;
  const NumericConditions found =
      checkpoint_state_from_json(checkpoint_state_to_json(state), "state.json").conditions;
  EXPECT_EQ(found.difference(state.conditions), "");
  EXPECT_EQ(found.difference(plain), "matmul tf32 vs. fp32, CUDA graph true vs. false");
}

TEST_F(CheckpointTest, OfTheFirstFormatIsReadAndOfALaterOneNamed) {
  const auto with_format = [](int format) {
    auto json = nlohmann::json::parse(checkpoint_state_to_json(small_checkpoint(7).state));
    json["format"] = format;
    json.erase("sha256");  // as in old checkpoints, which have no checksums
    json.erase("body_sha256");
    return json.dump();
  };
  EXPECT_EQ(checkpoint_state_from_json(with_format(1), "state.json").step, 7);
  EXPECT_THAT(
      error_text([&] { checkpoint_state_from_json(with_format(3), "state.json"); }),
      HasSubstr("state.json: the checkpoint has an unsupported format: expected format 1 to 2; "
                "found 3; use the version of roboimi that saved it"));
}

TEST_F(CheckpointTest, IsReadAsItWasSaved) {
  CheckpointStore store(folder_, 3);
  Checkpoint saved = small_checkpoint(50000);
  saved.state.seed = 0xFFFFFFFFFFFFFFFFULL;
  saved.state.metrics = {{"train/loss", 0.1}};
  saved.state.action_range = {.min = {-0.1, 0}, .max = {1, 2}, .largest_step = {0.3, 1e-9}};
  saved.state.spec.streams = {rgb_stream("front", {48, 64}), rgb_stream("top", {32, 32}),
                              depth_stream("wrist_depth", {8, 8}, at::kUInt16, "mm"),
                              vector_stream("force", 6, "N", {"x", "y", "z", "a", "b", "c"}),
                              text_stream("task", 64)};
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
  EXPECT_EQ(read.state.spec.streams, saved.state.spec.streams);
  EXPECT_EQ(read.state.conditions.difference(saved.state.conditions), "");
  EXPECT_EQ(read.config_yaml, "name: test\n");
  EXPECT_TRUE(at::equal(read.model.at("weight"), saved.model.at("weight")));
  EXPECT_TRUE(at::equal(read.ema.at("weight"), saved.ema.at("weight")));
  EXPECT_TRUE(at::equal(read.optimizer.at("step"), saved.optimizer.at("step")));
}

TEST_F(CheckpointTest, IsSavedEvenIfAUnitIsNotUtf8) {
  Checkpoint saved = small_checkpoint(1);
  saved.state.spec.streams = {vector_stream("angles", 1, "\xb0")};  // a degree sign in Latin-1
  const fs::path folder = CheckpointStore(folder_, 3).save(saved);
  EXPECT_EQ(read_checkpoint(folder).state.spec.at("angles").unit, "\xef\xbf\xbd");
}

TEST_F(CheckpointTest, IsRankedByItsActionErrorIfThereAreNoRollouts) {
  CheckpointStore store(folder_, 1);
  const auto save_validated = [&](std::int64_t step, double error) {
    Checkpoint checkpoint = small_checkpoint(step);
    checkpoint.state.validation = {{"loss", 1.0}, {"action_error", error}};
    store.save(checkpoint);
  };
  save(store, 10);
  EXPECT_THAT(names(), ElementsAre("latest", "step_00000010"));
  save_validated(20, 0.1);
  save_validated(30, 0.2);
  save_validated(40, std::nan(""));
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step_00000020", "step_00000040"));
  EXPECT_EQ(fs::read_symlink(folder_ / "best"), "step_00000020");
  EXPECT_EQ(read_checkpoint_state(folder_ / "best").validation.at("action_error"), 0.1);
  // Any success rate is better than any action error.
  store.record_rollouts(40, {{"success_rate", 0.0}});
  EXPECT_EQ(fs::read_symlink(folder_ / "best"), "step_00000040");
}

TEST_F(CheckpointTest, KeepsTheBestAndTheNewestAndBreaksTiesByStep) {
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

TEST_F(CheckpointTest, IsFoundByRunFolderAndLink) {
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

TEST_F(CheckpointTest, StoresTheSumsForTheNextLineOfMetrics) {
  Checkpoint saved = small_checkpoint(10);
  saved.state.unlogged = {.steps = 3, .processes = {{{"loss", 0.1F}}, {{"loss", 2.5}}}};
  const Checkpoint read = read_checkpoint(CheckpointStore(folder_, 3).save(saved));
  EXPECT_EQ(read.state.unlogged.steps, 3);
  EXPECT_EQ(read.state.unlogged.processes, saved.state.unlogged.processes);
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
    EXPECT_THAT(error.what(), HasSubstr("second.bias: Float [3], but Float [8] in the model"));
  }
}

}  // namespace
}  // namespace roboimi
