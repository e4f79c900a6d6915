// Tests of whole runs, from a configuration to rollouts, with the tiny agent.
#include "roboimi/train/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/files.h"
#include "roboimi/common/log.h"
#include "roboimi/common/process_lock.h"
#include "roboimi/rollout/rollout.h"
#include "roboimi/train/preflight.h"
#include "roboimi/train/run_folder.h"
#include "tests/error_text.h"
#include "tests/unit/train/tiny_task.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ExperimentTest : public ::testing::Test {
 protected:
  ExperimentTest() {
    testing::register_tiny_task();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "data.bin") << "recordings";
  }
  ~ExperimentTest() override { fs::remove_all(folder_); }

  ConfigNode config(const std::string& name, std::int64_t max_steps,
                    const std::string& more = "") const {
    return parse_yaml(
        "name: " + name + "\nseed: 3\ndevice: cpu\noutput_dir: " + (folder_ / "runs").string() +
            "\nagent: {type: tiny}\ndata: {type: tiny, path: " + (folder_ / "data.bin").string() +
            "}\nenv: {type: tiny}\ncollect: {num_episodes: 3}\n" + more +
            "train: {max_steps: " + std::to_string(max_steps) +
            ", batch_size: 16, learning_rate: 0.01, warmup_steps: 2, lr_schedule: constant, "
            "log_every: 5, "
            "save_every: 10, rollout_every: 20, rollout_num_episodes: 3, threads: 2}\n",
        "test.yaml");
  }
  std::string error_of(const ConfigNode& root) const {
    return error_text([&] { run_experiment(root, {}); });
  }
  fs::path run_of(const std::string& name) const {
    return newest_run_folder(folder_ / "runs", name);
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_experiment_test";
};

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

TEST_F(ExperimentTest, ResumesBitExactly) {
  ASSERT_EQ(run_experiment(config("whole", 40), {}), 0);
  ASSERT_EQ(run_experiment(config("halves", 20), {}), 0);
  ASSERT_EQ(run_experiment(config("halves", 40), {.resume = run_of("halves")}), 0);
  for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
    const fs::path name = fs::path("checkpoints") / "step_00000040" / file;
    EXPECT_TRUE(read_text(run_of("whole") / name) == read_text(run_of("halves") / name)) << file;
  }
  EXPECT_EQ(nlohmann::json::parse(read_text(run_of("halves") / "run.json"))["resumed_step"], 20);
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

TEST_F(ExperimentTest, ResumesOnlyRunsAndCreatesNothing) {
  const auto failure = [&](const fs::path& run) {
    return error_text([&] { run_experiment(config("x", 10), {.resume = run}); });
  };
  EXPECT_THAT(failure(folder_ / "runs" / "none"),
              HasSubstr("runs/none: no run to resume: expected a run folder with a checkpoint in "
                        "its checkpoints folder; found no such file or folder"));
  EXPECT_THAT(failure(folder_ / "data.bin"), HasSubstr("found a file"));
  EXPECT_THAT(failure(folder_), HasSubstr("found no checkpoints folder"));
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
  EXPECT_FALSE(fs::exists(folder_ / "checkpoints"));
  fs::create_directories(folder_ / "empty" / "checkpoints");
  EXPECT_THAT(failure(folder_ / "empty"), HasSubstr("start it again without --resume"));
  ASSERT_EQ(run_experiment(config("x", 10), {}), 0);
  EXPECT_THAT(failure(run_of("x") / "checkpoints" / "step_00000010"),
              HasSubstr("found a checkpoint; name the run folder, which contains the checkpoints "
                        "folder"));
  EXPECT_THAT(
      error_text([&] { run_experiment(config("x", 5), {.resume = run_of("x")}); }),
      HasSubstr("the run already has more steps than train.max_steps: expected train.max_steps "
                "of at least 10; found 5"));
}

TEST_F(ExperimentTest, ResumesFromACheckpointWhoseReplacementWasKilled) {
  ASSERT_EQ(run_experiment(config("x", 20), {}), 0);
  const fs::path checkpoints = run_of("x") / "checkpoints";
  fs::rename(checkpoints / "step_00000020", checkpoints / ".replaced_step_00000020");
  ASSERT_EQ(run_experiment(config("x", 30), {.resume = run_of("x")}), 0);
  EXPECT_EQ(nlohmann::json::parse(read_text(run_of("x") / "run.json"))["resumed_step"], 20);
}

TEST_F(ExperimentTest, ResumesTheNewestRunOfExactlyThatName) {
  const fs::path runs = folder_ / "runs";
  const auto make = [&](const std::string& folder, const std::string& record) {
    fs::create_directories(runs / folder / "checkpoints" / "step_00000001");
    std::ofstream(runs / folder / "checkpoints" / "step_00000001" / "state.json") << "{}";
    if (!record.empty()) std::ofstream(runs / folder / "run.json") << record;
  };
  make("20260101_000000_lewm", R"({"name": "lewm"})");
  make("20260102_000000_lewm_2", R"({"name": "lewm"})");  // the second run of that second
  make("20260103_000000_my_lewm", R"({"name": "my_lewm"})");
  make("20260104_000000_lewm_imf", R"({"name": "lewm_imf"})");
  make("20260105_000000_lewm", R"({"name": "renamed"})");
  make("20260106_000000_lewm_imf", "");
  make("20260107_000000_other_lewm", "{torn");
  EXPECT_EQ(newest_run_folder(runs, "lewm"), runs / "20260102_000000_lewm_2");
  EXPECT_EQ(newest_run_folder(runs, "my_lewm"), runs / "20260103_000000_my_lewm");
  EXPECT_EQ(newest_run_folder(runs, "lewm_imf"), runs / "20260106_000000_lewm_imf");
  EXPECT_EQ(newest_run_folder(runs, "other_lewm"), runs / "20260107_000000_other_lewm");
  EXPECT_THAT(error_text([&] { newest_run_folder(runs, "imf"); }), HasSubstr("no run to resume"));
  make("20260108_000000_lewm", "");  // no readable run.json: found by the folder's name
  EXPECT_EQ(newest_run_folder(runs, "lewm"), runs / "20260108_000000_lewm");
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

TEST_F(ExperimentTest, KeepsItsConfigurationIfANewOneDoesNotFit) {
  ASSERT_EQ(run_experiment(config("kept", 10), {}), 0);
  const fs::path run = run_of("kept");
  const std::string before = read_text(run / "config.yaml");
  ConfigNode other = config("kept", 20);
  other.set_path("train.ema", ConfigNode::scalar("none"));
  try {
    run_experiment(other, {.resume = run});
    FAIL() << "resumed";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("step_00000010: the checkpoint was trained with"));
    EXPECT_THAT(error.what(),
                HasSubstr("changed since the run was started: train.ema: power -> none, "
                          "train.max_steps: 10 -> 20; "));
    EXPECT_THAT(error.what(), HasSubstr("resume with the configuration of the run: roboimi run "
                                        "--resume " +
                                        run.string()));
  }
  EXPECT_EQ(read_text(run / "config.yaml"), before);
  ASSERT_EQ(run_experiment(config("kept", 20), {.resume = run}), 0);
  EXPECT_THAT(read_text(run / "config.yaml"), HasSubstr("max_steps: 20"));
}

TEST_F(ExperimentTest, LogsTheChangedKeysOnResumeAndThatTheScheduleChanges) {
  const auto with_schedule = [&](const std::string& schedule, std::int64_t max_steps) {
    ConfigNode root = config(schedule, max_steps);
    root.set_path("train.lr_schedule", ConfigNode::scalar(schedule));
    return root;
  };
  ASSERT_EQ(run_experiment(with_schedule("cosine", 10), {}), 0);
  const fs::path run = run_of("cosine");
  ASSERT_EQ(run_experiment(with_schedule("cosine", 20), {.resume = run}), 0);
  const std::string log = read_text(run / "log.txt");
  EXPECT_THAT(log, HasSubstr("the configuration differs from the one this run was started with: "
                             "train.max_steps: 10 -> 20"));
  EXPECT_THAT(log, HasSubstr("train.max_steps also changes the learning-rate schedule: it now ends "
                             "at step 20 and not at step 10, so the learning rate jumps at step "
                             "10"));
  // A constant learning rate does not depend on max_steps.
  ASSERT_EQ(run_experiment(with_schedule("constant", 20), {}), 0);
  const fs::path constant = run_of("constant");
  ASSERT_EQ(run_experiment(with_schedule("constant", 30), {.resume = constant}), 0);
  EXPECT_THAT(read_text(constant / "log.txt"), HasSubstr("train.max_steps: 20 -> 30"));
  EXPECT_THAT(read_text(constant / "log.txt"), ::testing::Not(HasSubstr("schedule:")));
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

TEST_F(ExperimentTest, NamesTheExpectedFolderIfThereIsNothingToResume) {
  try {
    newest_run_folder(folder_ / "runs", "demo");
    FAIL() << "found";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no run to resume: expected a folder <date>_<time>_demo"));
  }
}

TEST_F(ExperimentTest, IsNotResumedWhileAnotherProcessTrainsIt) {
  ASSERT_EQ(run_experiment(config("busy", 10), {}), 0);
  const fs::path run = run_of("busy");
  const std::string before = read_text(run / "metrics.jsonl");
  {
    const ProcessLock lock = ProcessLock::take_folder(run, "run");
    const std::string text =
        error_text([&] { run_experiment(config("busy", 20), {.resume = run}); });
    EXPECT_THAT(text, HasSubstr(run.string() +
                                ": another process is using this run: found "
                                "process " +
                                std::to_string(::getpid()) + " on "));
  }
  EXPECT_EQ(read_text(run / "metrics.jsonl"), before);
  EXPECT_EQ(run_experiment(config("busy", 20), {.resume = run}), 0);
}

TEST_F(ExperimentTest, ChangesNothingIfThereIsNothingToResume) {
  const fs::path folder = folder_ / "home";
  fs::create_directories(folder / "checkpoints" / ".ssh");
  std::ofstream(folder / "log.txt") << "kept";
  for (const fs::path& run : {folder, folder_ / "missing"}) {
    EXPECT_THAT(error_text([&] { run_experiment(config("x", 10), {.resume = run}); }),
                HasSubstr(run.string() + ": no run to resume: expected a run folder"));
  }
  EXPECT_TRUE(fs::exists(folder / "checkpoints" / ".ssh"));
  EXPECT_FALSE(fs::exists(folder / ".lock"));
  EXPECT_EQ(read_text(folder / "log.txt"), "kept");
  EXPECT_FALSE(fs::exists(folder_ / "missing"));
}

TEST_F(ExperimentTest, DoesNotWriteItsLogThroughALink) {
  ASSERT_EQ(run_experiment(config("linked", 10), {}), 0);
  const fs::path run = run_of("linked");
  std::ofstream(folder_ / "outside") << "kept";
  fs::remove(run / "log.txt");
  fs::create_symlink(folder_ / "outside", run / "log.txt");
  EXPECT_THAT(error_text([&] { run_experiment(config("linked", 20), {.resume = run}); }),
              HasSubstr("log.txt: cannot open: the path is a symbolic link"));
  EXPECT_EQ(read_text(folder_ / "outside"), "kept");
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

// ---- The status in run.json ---------------------------------------------------------------------

TEST_F(ExperimentTest, IsLostIfItsProcessNoLongerExists) {
  ASSERT_EQ(run_experiment(config("seen", 10), {}), 0);
  const fs::path run = run_of("seen");
  EXPECT_EQ(observed_status(run), "finished");
  EXPECT_EQ(observed_status(folder_), "");
  write_run_record(run, {.name = "seen"});
  EXPECT_EQ(observed_status(run), "running");  // this process

  const auto written = nlohmann::json::parse(read_text(run / "run.json"));
  const auto status_of = [&](auto change) {
    nlohmann::json record = written;
    change(record);
    std::ofstream(run / "run.json") << record.dump();
    return observed_status(run);
  };
  EXPECT_EQ(status_of([](auto& record) { record["process_start"]["ticks"] = 1; }), "lost");
  EXPECT_EQ(status_of([](auto& record) { record["process_start"]["boot_id"] = "other"; }), "lost");
  EXPECT_EQ(status_of([](auto& record) { record["pid"] = 1 << 30; }), "lost");
  EXPECT_EQ(status_of([](auto& record) { record["pid"] = 1 << 30, record.erase("process_start"); }),
            "lost");
  EXPECT_EQ(status_of([](auto& record) { record.erase("process_start"); }), "running");
  EXPECT_EQ(status_of([](auto& record) { record["pid"] = 1 << 30, record["host"] = "other"; }),
            "running");  // a process on another host cannot be checked
  EXPECT_EQ(status_of([](auto& record) { record["pid"] = 1 << 30, record["status"] = "finished"; }),
            "finished");
  EXPECT_EQ(status_of([](auto& record) { record["pid"] = "x"; }), "");
}

}  // namespace
}  // namespace roboimi
