// Tests of resumed runs: which run is continued, what is refused, and the status in run.json.
#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "roboimi/common/files.h"
#include "roboimi/common/process_lock.h"
#include "tests/unit/train/experiment_fixture.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

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

// Folder names are in local time. The clocks of Berlin are set back at 01:00 UTC.
TEST(NewestRunFolder, IsTheLastOneWhenClocksAreSetBack) {
  const char* const zone = std::getenv("TZ");
  const std::string former = zone == nullptr ? "" : zone;
  ::setenv("TZ", "Europe/Berlin", 1);
  ::tzset();
  const ScratchFolder runs;
  const auto make = [&](const std::string& folder, const std::string& created) {
    fs::create_directories(runs / folder / "checkpoints/step_00000001");
    std::ofstream(runs / folder / "checkpoints/step_00000001/state.json") << "{}";
    const std::string key = created.empty() ? "" : R"(, "created": ")" + created + "\"";
    std::ofstream(runs / folder / "run.json") << R"({"name": "x")" << key << "}";
  };
  make("20261025_012000_x", "");  // an earlier version, at 23:20 UTC
  make("20261025_025000_x", "2026-10-25T00:50:00Z");
  make("20261025_021000_x", "2026-10-25T01:10:00Z");
  EXPECT_EQ(newest_run_folder(runs, "x"), runs / "20261025_021000_x");
  EXPECT_EQ(creation_time(runs / "20261025_012000_x"), "2026-10-24T23:20:00Z");
  EXPECT_EQ(creation_time(runs / "notes"), "");
  make("20261025_031000_x", "");  // 02:10 UTC
  EXPECT_EQ(newest_run_folder(runs, "x"), runs / "20261025_031000_x");
  for (int i = 2; i <= 10; ++i) make("20261026_000000_x_" + std::to_string(i), "");
  EXPECT_EQ(newest_run_folder(runs, "x"), runs / "20261026_000000_x_10");
  zone == nullptr ? ::unsetenv("TZ") : ::setenv("TZ", former.c_str(), 1);
  ::tzset();
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
    EXPECT_THAT(error.what(),
                HasSubstr("step_00000010: changed since the run was started: train.ema: power -> "
                          "none, train.max_steps: 10 -> 20; the checkpoint was trained with"));
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

TEST_F(ExperimentTest, SaysThatAFinishedRunIsFinished) {
  ASSERT_EQ(run_experiment(config("done", 10), {}), 0);
  const fs::path run = run_of("done");
  EXPECT_THAT(read_text(run / "log.txt"), ::testing::Not(HasSubstr("already")));
  ASSERT_EQ(run_experiment(config("done", 10), {.resume = run}), 0);
  EXPECT_THAT(read_text(run / "log.txt"),
              HasSubstr("the run already has all of its 10 steps; train.max_steps=N continues it"));
}

TEST_F(ExperimentTest, WarnsOnResumeIfTheDataChanged) {
  ASSERT_EQ(run_experiment(config("changed", 10), {}), 0);
  const fs::path run = run_of("changed");
  const std::string before = recorded_data_fingerprint(run);
  EXPECT_NE(before, "");
  ASSERT_EQ(run_experiment(config("changed", 20), {.resume = run}), 0);
  EXPECT_THAT(read_text(run / "log.txt"), ::testing::Not(HasSubstr("the data files have other")));
  std::ofstream(folder_ / "data.bin", std::ios::app) << "more";
  ASSERT_EQ(run_experiment(config("changed", 30), {.resume = run}), 0);
  EXPECT_THAT(read_text(run / "log.txt"), HasSubstr("the data files have other paths, sizes or"));
  EXPECT_NE(recorded_data_fingerprint(run), before);
  EXPECT_EQ(recorded_data_fingerprint(folder_), "");
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
