// Tests of `roboimi run` in several processes started by mpirun.
#include <gmock/gmock.h>
#include <signal.h>

#include <cmath>
#include <fstream>

#include "tests/e2e/several_processes.h"
#include "tests/mpi.h"

namespace roboimi::e2e {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class MpiTraining : public SeveralProcesses {
 protected:
  static void SetUpTestSuite() { collect_small("mpi"); }

  // The arguments of a minimal LEWM pretraining that writes into this test's folder.
  static std::vector<std::string> pretraining(const std::vector<std::string>& more = {}) {
    return words({"run",
                  "--config",
                  "lewm_pretrain.yaml",
                  "size=small",
                  "communicator=mpi",
                  "data.path=data",
                  output_dir(),
                  "agent.image_height=28",
                  "agent.image_width=28",
                  "agent.hidden_size=24",
                  "agent.num_layers=1",
                  "agent.intermediate_size=32",
                  "agent.projector_hidden=32",
                  "agent.predictor_depth=1",
                  "agent.predictor_heads=2",
                  "agent.predictor_head_dim=8",
                  "agent.predictor_mlp_dim=32",
                  "agent.sigreg_projections=32",
                  "train.batch_size=8",
                  "train.threads=1",
                  "train.log_every=2",
                  "train.save_every=3",
                  "train.held_out_episodes=1",
                  "train.validate_every=3",
                  "train.max_steps=6"},
                 more);
  }
  static std::vector<std::string> policy(const std::vector<std::string>& more = {}) {
    return policy_with("mpi", more);
  }

  static boost::process::child start(int processes, const std::vector<std::string>& arguments) {
    return place_->start_program(MPIRUN, mpirun_arguments(processes, kRoboimi, arguments),
                                 {{"OMP_NUM_THREADS", "1"}});
  }
  static Result run(int processes, const std::vector<std::string>& arguments) {
    auto child = start(processes, arguments);
    return finish(child);
  }

  // Starts a long training and returns after its first steps.
  static boost::process::child start_long_training() {
    auto child = start(2, policy({"train.max_steps=10000000", "train.save_every=10000000"}));
    EXPECT_TRUE(has_begun());
    return child;
  }
  static void expect_stopped(boost::process::child& child) {
    const Result result = finish(child);
    EXPECT_EQ(result.status, 130) << result.errors;
    const fs::path run = newest_run(runs());
    EXPECT_EQ(record_of(run)["status"], "interrupted");
    EXPECT_TRUE(fs::exists(run / "checkpoints" / "latest" / "model.safetensors"));
    EXPECT_THAT(result.errors, HasSubstr("to continue: roboimi run --resume"));
  }
};

// The lines of metrics.jsonl that contain `key`.
std::vector<json> lines_with(const fs::path& run, const std::string& key) {
  std::vector<json> found;
  std::ifstream lines(run / "metrics.jsonl");
  for (std::string line; std::getline(lines, line);) {
    const json row = json::parse(line);
    if (row.contains(key)) found.push_back(row);
  }
  return found;
}

TEST_F(MpiTraining, LeavesOneRunFolderThatResumesBitExactly) {
  const Result trained = run(2, pretraining());
  ASSERT_EQ(trained.status, 0) << trained.errors;
  EXPECT_THAT(trained.errors, HasSubstr("training with 2 processes"));
  const std::vector<fs::path> folders{fs::directory_iterator(runs()), {}};
  ASSERT_EQ(folders.size(), 1U);
  const fs::path whole = folders[0];
  EXPECT_EQ(record_of(whole)["status"], "finished");
  EXPECT_EQ(record_of(whole)["processes"], 2);
  const auto losses = lines_with(whole, "train/loss");
  ASSERT_EQ(losses.size(), 3U);
  for (const json& line : losses) EXPECT_TRUE(std::isfinite(line["train/loss"].get<double>()));
  EXPECT_EQ(lines_with(whole, "validation/loss").size(), 2U);

  // Resume from step 3 in a copy without the last checkpoint.
  const fs::path half = runs() / "half";
  fs::copy(whole, half, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  fs::remove_all(half / "checkpoints" / "step_00000006");
  const Result resumed = run(2, {"run", "--resume", half.string()});
  ASSERT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_THAT(resumed.errors, ::testing::Not(HasSubstr("not bit-exact")));
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    const fs::path name = fs::path("checkpoints") / "step_00000006" / file;
    EXPECT_TRUE(read_text(half / name) == read_text(whole / name)) << file;
  }
}

TEST_F(MpiTraining, UsesDifferentBatchesThanASingleProcess) {
  ASSERT_EQ(run(2, policy({"train.max_steps=5", "name=two"})).status, 0);
  ASSERT_EQ(run(1, policy({"train.max_steps=5", "name=one"})).status, 0);
  double losses[2] = {};
  for (const auto& entry : fs::directory_iterator(runs())) {
    const bool is_two = entry.path().filename().string().ends_with("_two");
    losses[is_two ? 1 : 0] = lines_with(entry.path(), "train/loss").at(0)["train/loss"];
  }
  EXPECT_NE(losses[0], losses[1]);
}

TEST_F(MpiTraining, WarnsThatAnotherNumberOfProcessesIsNotBitExact) {
  ASSERT_EQ(run(2, policy({"train.max_steps=5"})).status, 0);
  const Result alone = place_->run(
      {"run", "--resume", newest_run(runs()).string(), "communicator=null", "train.max_steps=8"});
  EXPECT_EQ(alone.status, 0) << alone.errors;
  EXPECT_THAT(alone.errors, HasSubstr("resuming is not bit-exact: processes 2 vs. 1"));
}

TEST_F(MpiTraining, RunsRollouts) {
  const Result trained =
      run(2, policy({"train.max_steps=10", "train.rollout_every=5", "train.rollout_num_episodes=1",
                     "train.rollout_num_videos=0"}));
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const fs::path only = newest_run(runs());
  EXPECT_EQ(lines_with(only, "rollout/success_rate").size(), 2U);
  EXPECT_TRUE(fs::exists(only / "rollouts" / "step_00000010" / "summary.json"));
}

TEST_F(MpiTraining, IsStoppedByASignalForwardedByMpirun) {
  auto child = start_long_training();
  ::kill(child.id(), SIGUSR1);
  expect_stopped(child);
}

TEST_F(MpiTraining, IsStoppedByCtrlCInOneProcess) {
  auto child = start_long_training();
  ::kill(record_of(newest_run(runs()))["pid"].get<pid_t>(), SIGINT);
  expect_stopped(child);
}

TEST_F(MpiTraining, AnErrorInOneProcessEndsAllProcesses) {
  std::vector<std::string> arguments = mpirun_arguments(1, kRoboimi, policy());
  const std::vector<std::string> other = policy({"seed=1"});
  arguments.insert(arguments.end(), {":", "-np", "1", kRoboimi});
  arguments.insert(arguments.end(), other.begin(), other.end());
  auto child = place_->start_program(MPIRUN, arguments, {{"OMP_NUM_THREADS", "1"}});
  const Result result = finish(child);
  EXPECT_EQ(result.status, 1) << result.errors;
  // Both processes detect it, but the first to end may prevent the other from reporting it.
  EXPECT_THAT(result.errors,
              ::testing::ContainsRegex(
                  "\nroboimi run: rank [01] of 2: the processes of one training were "
                  "given different configurations: expected rank 0's configuration in every "
                  "process"));
  EXPECT_FALSE(fs::exists(runs())) << "a run folder was created although nothing ran";
}

TEST_F(MpiTraining, AnErrorThatOtherProcessesWaitForEndsAllProcesses) {
  const Result result = run(2, policy({"env.model_file=missing.xml", "train.max_steps=5",
                                       "train.rollout_num_episodes=1"}));
  EXPECT_EQ(result.status, 1) << result.errors;
  EXPECT_THAT(result.errors, ::testing::ContainsRegex("roboimi run: .*missing.xml"));
  EXPECT_FALSE(fs::exists(runs())) << "a run folder was created for a run that cannot work";
}

TEST_F(MpiTraining, RecordsTheFailureInTheRunFolder) {
  const Result result =
      run(2, policy({"train.learning_rate=1e30", "train.warmup_steps=0", "train.max_steps=100"}));
  EXPECT_EQ(result.status, 1) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("the loss or its gradient is not a finite number"));
  EXPECT_THAT(record_of(newest_run(runs())).value("status", ""),
              ::testing::StartsWith("failed: training step"));
}

TEST_F(MpiTraining, WarnsWhenMpirunIsMissing) {
  const Result result = place_->run(policy({"train.max_steps=5"}), {{"OMP_NUM_THREADS", "1"}});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("mpi_communicator: this is the only process"));
  EXPECT_THAT(result.errors, HasSubstr("mpirun -np 4 roboimi run"));
}

}  // namespace
}  // namespace roboimi::e2e
