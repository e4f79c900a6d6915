// Tests of whole runs, from a configuration to rollouts, with the tiny agent.
#include <gmock/gmock.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/files.h"
#include "roboimi/common/log.h"
#include "roboimi/rollout/rollout.h"
#include "roboimi/train/preflight.h"
#include "tests/unit/train/experiment_fixture.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

TEST_F(ExperimentTest, LeavesAFolderWithEverythingInIt) {
  ASSERT_EQ(run_experiment(config("whole", 40), {.command = {"roboimi", "run"}}), 0);
  const fs::path run = run_of("whole");
  const auto record = nlohmann::json::parse(read_text(run / "run.json"));
  EXPECT_EQ(record["status"], "finished");
  EXPECT_EQ(record["threads"], 2);
  EXPECT_EQ(record["data"]["num_windows"], 120);
  EXPECT_EQ(record["plugins"][0]["name"], "tiny_task");
  EXPECT_TRUE(fs::exists(run / "checkpoints" / "step_00000040" / "model.safetensors"));
  EXPECT_TRUE(fs::exists(run / "checkpoints" / "best" / "ema.safetensors"));
  for (const char* step : {"step_00000020", "step_00000040"}) {
    EXPECT_TRUE(fs::exists(run / "rollouts" / step / "summary.json"));
    EXPECT_TRUE(fs::exists(run / "rollouts" / step / "trajectory_000.png"));
  }
  EXPECT_THAT(read_text(run / "metrics.jsonl"), HasSubstr("rollout/success_rate"));
  EXPECT_THAT(read_text(run / "log.txt"), HasSubstr("finished after 40 steps"));
  // The resolved configuration reproduces the run without other files.
  const ConfigNode resolved = load_yaml((run / "config.yaml").string());
  ASSERT_NE(resolved.find_path("agent.hidden"), nullptr);
  EXPECT_EQ(resolved.find_path("agent.hidden")->text(), "8");
  ASSERT_NE(resolved.find_path("train.clip_norm"), nullptr);
  EXPECT_EQ(std::stod(resolved.find_path("train.clip_norm")->text()), 10.0);
  EXPECT_EQ(resolved.find("collect"), nullptr);
  EXPECT_NO_THROW(experiment_options(resolved));
}

TEST_F(ExperimentTest, WritesTablesForRolloutsOfARobotWithoutAScene) {
  ConfigNode robot = config("robot", 20);
  robot.set_path("env", parse_yaml("{type: tiny, scene: false}", "test.yaml"));
  ASSERT_EQ(run_experiment(robot, {}), 0);
  const fs::path rollouts = run_of("robot") / "rollouts" / "step_00000020";
  EXPECT_EQ(nlohmann::json::parse(read_text(rollouts / "summary.json"))["num_episodes"], 3);
  EXPECT_TRUE(fs::exists(rollouts / "trajectory_002.csv"));
  EXPECT_FALSE(fs::exists(rollouts / "trajectory_000.png"));
  EXPECT_FALSE(fs::exists(rollouts / "episode_000.mp4"));
}

TEST_F(ExperimentTest, GivesAnAgentThatLoadsFromItsCheckpoint) {
  ASSERT_EQ(run_experiment(config("whole", 40), {}), 0);
  const fs::path checkpoint = find_checkpoint(run_of("whole"));
  const LoadedRun averaged = open_run(checkpoint, {});
  const LoadedRun last = open_run(checkpoint, {.use_ema = false});
  EXPECT_TRUE(averaged.agent->has_statistics());
  EXPECT_FALSE(averaged.agent->is_training());
  const Checkpoint file = read_checkpoint(checkpoint);
  const auto weight = [](const LoadedRun& loaded) {
    return loaded.agent->named_parameters()["first.weight"];
  };
  EXPECT_TRUE(at::equal(weight(averaged), file.ema.at("first.weight")));
  EXPECT_TRUE(at::equal(weight(last), file.model.at("first.weight")));
  // It acts the same as in the run's own rollouts.
  testing::TinyEnvironment environment;
  const RolloutSummary again =
      run_rollouts(*averaged.agent, environment, {.num_episodes = 3, .first_seed = 500});
  const auto before = nlohmann::json::parse(
      read_text(run_of("whole") / "rollouts" / "step_00000040" / "summary.json"));
  EXPECT_EQ(before["success_rate"], again.success_rate());
  EXPECT_NEAR(before["mean_highest_reward"].get<double>(), again.mean_highest_reward(), 1e-12);
}

TEST_F(ExperimentTest, RejectsUnknownKeysAndWrongValues) {
  EXPECT_THAT(error_of(config("x", 10, "trian: {}\n")), HasSubstr("test.yaml:"));
  EXPECT_THAT(error_of(config("x", 10, "trian: {}\n")), HasSubstr("trian"));
  EXPECT_THAT(error_of(config("x", 10, "devise: cpu\n")), HasSubstr("'device'"));
  ConfigNode bad = config("x", 10);
  bad.set_path("train.betas", parse_yaml("[0.9]", "test.yaml"));
  EXPECT_THAT(error_of(bad), HasSubstr("two floats below 1"));
  bad = config("x", 10);
  bad.set_path("device", ConfigNode::scalar("gpu"));
  EXPECT_THAT(error_of(bad), HasSubstr("expected auto, cpu, cuda or cuda:N"));
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
}

TEST_F(ExperimentTest, LeavesNoFolderIfACheckFails) {
  const auto failure = [&](const std::string& key, const std::string& value) {
    ConfigNode bad = config("bad", 10);
    bad.set_path(key, parse_yaml(value, "test.yaml"));
    return error_of(bad);
  };
  EXPECT_THAT(failure("name", "exp/one"),
              HasSubstr("name: not usable as the end of the run folder's name: expected a name "
                        "without '/'; "
                        "found 'exp/one'; output_dir=FOLDER chooses where"));
  EXPECT_THAT(failure("name", "''"), HasSubstr("expected a name"));
  EXPECT_THAT(failure("name", ".."), HasSubstr("expected a name"));
  EXPECT_THAT(failure("name", "\"a\\nb\""), HasSubstr("expected a name without line breaks"));
  EXPECT_THAT(failure("name", std::string(300, 'x')), HasSubstr("at most 200 bytes, not 300"));
  EXPECT_THAT(failure("output_dir", (folder_ / "data.bin" / "runs").string()),
              HasSubstr("output_dir: not a folder"));
  EXPECT_THAT(failure("output_dir", (folder_ / std::string(300, 'x')).string()),
              HasSubstr("output_dir: a name in the path is too long"));
  EXPECT_THAT(failure("agent", "{type: tiny, hidden: 0}"), HasSubstr("agent.hidden"));
  EXPECT_THAT(failure("data", "{type: tinny, path: x}"),
              HasSubstr("data: unknown dataset 'tinny'"));
  EXPECT_THAT(failure("env", "{steps: 3}"),
              HasSubstr("env has no 'type': expected type: one of tiny; env=null trains without a "
                        "simulator"));
  EXPECT_THAT(failure("train.held_out_episodes", "4"), HasSubstr("train.held_out_episodes"));
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
}

TEST_F(ExperimentTest, FindsAnEnvironmentThatDoesNotFitBeforeTheFirstStep) {
  ConfigNode other = config("other", 10);
  other.set_path("env", parse_yaml("{type: tiny, state_dim: 5}", "test.yaml"));
  EXPECT_THAT(
      error_of(other),
      HasSubstr("env: the policy does not fit the environment: state_dim is 5 instead of 3"));
  EXPECT_THAT(error_of(other), HasSubstr("env=null trains without rollouts"));
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
  // Without rollouts the environment is not created.
  other.set_path("train.rollout_num_episodes", ConfigNode::scalar("0"));
  EXPECT_EQ(run_experiment(other, {}), 0);
}

TEST_F(ExperimentTest, PrintsThePlanInADryRunAndWritesNothing) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_experiment(config("dry", 40), {.dry_run = true}), 0);
  const std::string plan = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(plan, HasSubstr("parameters    126, of which 120 are trained\n"));
  EXPECT_THAT(plan, HasSubstr("data          4 training episodes, 0 held out, 120 windows\n"));
  EXPECT_THAT(plan, HasSubstr("training      40 steps, 5.3 epochs, on cpu\n"));
  EXPECT_THAT(plan, HasSubstr("rollouts      3 episodes every 20 steps\n"));
  EXPECT_THAT(plan, HasSubstr("disk          0.0 MB of cache to write"));
  EXPECT_THAT(plan,
              HasSubstr("folder        " + (folder_ / "runs" / "<date>_<time>_dry").string()));
  EXPECT_THAT(plan, ::testing::EndsWith("nothing was written\n"));
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
  ::testing::internal::CaptureStdout();
  EXPECT_THAT(error_text([&] { run_experiment(config("exp/one", 40), {.dry_run = true}); }),
              HasSubstr("a name without '/'"));
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST_F(ExperimentTest, KeepsTheLogFromBeforeTheFolderExists) {
  const fs::path file = folder_ / "log.txt";
  {
    LogKeeper keeper;
    logger().warn("an early warning");
    keeper.write_to(file);
    logger().warn("a late warning");
  }
  EXPECT_THAT(read_text(file), HasSubstr("an early warning\n"));
  EXPECT_THAT(read_text(file), ::testing::Not(HasSubstr("a late warning")));
}

TEST_F(ExperimentTest, RecordsWhyItFailed) {
  ConfigNode bad = config("broken", 10);
  bad.set_path("data.path", ConfigNode::scalar((folder_ / "missing.bin").string()));
  EXPECT_NE(error_of(bad), "");
  for (const auto& run : fs::directory_iterator(folder_ / "runs")) {
    EXPECT_THAT(read_text(run.path() / "run.json"), HasSubstr("\"status\": \"failed: "));
  }
}

// Ctrl-C, and then a failure of the disk, while the data is prepared.
class LostDataset final : public testing::TinyDataset {
 public:
  using TinyDataset::TinyDataset;
  at::Tensor actions(std::int64_t index) const override {
    const bool has_run_folder = fs::exists(episode(0).file.parent_path() / "runs");
    if (!has_run_folder) return TinyDataset::actions(index);
    ::raise(SIGINT);
    throw Error("the disk is gone");
  }
};

TEST_F(ExperimentTest, RecordsAFailureThatComesAfterAStopRequest) {
  Registrar registrar;
  Schema schema;
  schema.required_path("path", "a file");
  registrar.add<Dataset>({.name = "lost",
                          .description = "fails after a stop request",
                          .schema = schema,
                          .create = [](const Options& options) {
                            return std::make_shared<LostDataset>(options.text("path"));
                          }});
  Registry::instance().add("lost_task", std::move(registrar));
  ConfigNode lost = config("lost", 10);
  lost.set_path("data.type", ConfigNode::scalar("lost"));
  EXPECT_THAT(error_of(lost), HasSubstr("the disk is gone"));
  std::int64_t runs = 0;
  for (const auto& run : fs::directory_iterator(folder_ / "runs")) {
    EXPECT_THAT(observed_status(run.path()), HasSubstr("failed: "));
    ++runs;
  }
  EXPECT_EQ(runs, 1);
}

TEST_F(ExperimentTest, ShowsTheProgressOfRollouts) {
  ::testing::internal::CaptureStderr();
  ASSERT_EQ(run_experiment(config("rollouts", 20), {}), 0);
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("rollouts  0/3    0%\n"));
  EXPECT_THAT(text, HasSubstr("rollouts  3/3  100%"));
}

TEST(RequireSpace, NamesTheFolderAndTheRequiredSpace) {
  const fs::path folder = fs::path(::testing::TempDir()) / "not" / "there";
  EXPECT_NO_THROW(require_space(folder, 1, "a checkpoint", "free some"));
  EXPECT_THAT(
      error_text([&] { require_space(folder, ~std::uintmax_t{0}, "a checkpoint", "free some"); }),
      ::testing::AllOf(HasSubstr("not enough disk space for a checkpoint: expected "),
                       HasSubstr(" MB; found "), HasSubstr("; free some")));
}

TEST_F(ExperimentTest, ExplainsHowToSetThePathOfMovedData) {
  const auto error_of_data = [&](const fs::path& path) {
    const std::string node = "{type: tiny, path: " + path.string() + ", pats: 1}";
    return error_text([&] { open_recorded_data(parse_yaml(node, "test.yaml")); });
  };
  const std::string hint = "if the data has moved, set its new path: data.path=FOLDER";
  EXPECT_THAT(error_of_data(folder_ / "gone.bin"), HasSubstr(hint));
  EXPECT_THAT(error_of_data(folder_ / "gone.bin"), HasSubstr("'path'"));
  EXPECT_THAT(error_of_data(folder_ / "data.bin"), ::testing::Not(HasSubstr(hint)));
}

}  // namespace
}  // namespace roboimi
