// Tests of a policy loaded from the run folder of a real training of the tiny agent.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "roboimi/checkpoint/checkpoint_json.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/files.h"
#include "roboimi/deploy/policy.h"
#include "roboimi/train/experiment.h"
#include "roboimi/train/run_folder.h"
#include "tests/error_text.h"
#include "tests/unit/train/tiny_task.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class LoadPolicy : public ::testing::Test {
 protected:
  LoadPolicy() {
    testing::register_tiny_task();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "data.bin") << "recordings";
    const ConfigNode root = parse_yaml(
        "name: tiny\ndevice: cpu\noutput_dir: " + (folder_ / "runs").string() +
            "\nagent: {type: tiny}\ndata: {type: tiny, path: " + (folder_ / "data.bin").string() +
            "}\nenv: {type: tiny}\ntrain: {max_steps: 20, batch_size: 16, learning_rate: 0.01, "
            "save_every: 20, rollout_num_episodes: 0, threads: 1}\n",
        "test.yaml");
    EXPECT_EQ(run_experiment(root, {}), 0);
    run_ = newest_run_folder(folder_ / "runs", "tiny");
  }
  ~LoadPolicy() override { fs::remove_all(folder_); }

  std::string error_of(const fs::path& checkpoint, const PolicyOptions& options) const {
    return error_or_accepted([&] { load_policy(checkpoint, options); });
  }
  // Makes an old checkpoint, which does not record the range of the training actions.
  void remove_the_action_range() const {
    const fs::path folder = find_checkpoint(run_);
    CheckpointState state = read_checkpoint_state(folder);
    state.action_range.reset();
    write_text_atomically(folder / "state.json", checkpoint_state_to_json(state));
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_load_policy_test";
  fs::path run_;
};

TEST_F(LoadPolicy, ActsLikeTheCheckpointsAgent) {
  const auto policy = load_policy(run_, {.limits = {.range = false, .step = false}});
  policy->reset(0, Policy::kUnknownCommand);
  const LoadedRun averaged = open_run(run_, {});
  const Observation observation{{"state", at::tensor({0.3F, -0.2F, 0.1F})}};
  const auto actor = averaged.agent->make_actor({});
  actor->reset(0);
  const at::Tensor command = actor->act(observation);
  EXPECT_TRUE(policy->act(observation).action.equal(command));
  const auto last =
      load_policy(run_, {.use_ema = false, .limits = {.range = false, .step = false}});
  last->reset(0, Policy::kUnknownCommand);
  EXPECT_FALSE(last->act(observation).action.equal(command));
  EXPECT_EQ(policy->config().find_path("env.type")->text(), "tiny");
}

TEST_F(LoadPolicy, LimitsCommandsToTheActionsOfTheTrainingData) {
  const ActionRange range = *read_checkpoint_state(find_checkpoint(run_)).action_range;
  const testing::TinyDataset data("data.bin");
  std::vector<at::Tensor> actions;
  double largest_step = 0;
  for (int i = 0; i < 4; ++i) {
    actions.push_back(data.actions(i));
    largest_step = std::max(largest_step, actions.back().diff(1, 0).abs().max().item<double>());
  }
  const at::Tensor all = at::cat(actions);
  EXPECT_EQ(range.max[0], all.select(1, 0).max().item<float>());
  EXPECT_EQ(range.min[1], all.select(1, 1).min().item<float>());
  EXPECT_NEAR(std::max(range.largest_step[0], range.largest_step[1]), largest_step, 1e-6);

  const auto limited = load_policy(run_, {.limits = {.step = false, .range_margin = 0.0}});
  const auto unlimited = load_policy(run_, {.limits = {.range = false, .step = false}});
  limited->reset(0, Policy::kUnknownCommand);
  unlimited->reset(0, Policy::kUnknownCommand);
  for (const float far : {-1e3F, 1e3F}) {
    const Observation observation{{"state", at::full({3}, far)}};
    const at::Tensor wanted = unlimited->act(observation).action;
    const PolicyStep step = limited->act(observation);
    for (std::size_t i = 0; i < 2; ++i) {
      const auto joint = static_cast<std::int64_t>(i);
      EXPECT_EQ(step.action[joint].item<float>(),
                std::clamp(wanted[joint].item<float>(), static_cast<float>(range.min[i]),
                           static_cast<float>(range.max[i])));
    }
  }
  const PolicyReport report = limited->report();
  EXPECT_GT(report.limited_by_range[0] + report.limited_by_range[1], 0);
  // The checkpoint also records the range of the training states.
  EXPECT_THAT(report.state_outside, ::testing::ElementsAre(2, 2, 2));
}

TEST_F(LoadPolicy, RequiresLimitsIfTheCheckpointHasNoActionRange) {
  remove_the_action_range();
  EXPECT_THAT(error_of(run_, {}), HasSubstr("step_00000020: the checkpoint does not record the"));
  EXPECT_THAT(error_of(run_, {}), HasSubstr("train it again"));
  EXPECT_EQ(error_of(run_, {.limits = {.range = false, .step = false}}), "accepted");
  EXPECT_EQ(error_of(run_, {.limits = {.min = {0, 0}, .max = {1, 1}, .largest_step = {1, 1}}}),
            "accepted");
}

TEST_F(LoadPolicy, ReportsWhatIsWrong) {
  EXPECT_THAT(error_of(folder_ / "nothing", {}), HasSubstr("no checkpoint here"));
  EXPECT_THAT(error_of(run_, {.overrides = {"agent.hidden=9"}}), HasSubstr("first.weight"));
  EXPECT_THAT(error_of(run_, {.device = "gpu"}), HasSubstr("unknown device 'gpu'"));
  EXPECT_THAT(error_of(run_, {.deadline_ms = 5.0}), HasSubstr("does not support deadlines"));
}

}  // namespace
}  // namespace roboimi
