// `roboimi eval` on a small trained policy, called within this process: which options are refused
// and when, and how an evaluation is named and described.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/eval_options.h"
#include "roboimi/common/files.h"
#include "roboimi/train/experiment.h"
#include "roboimi/train/run_folder.h"
#include "tests/error_text.h"
#include "tests/unit/train/tiny_task.h"

namespace roboimi::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class EvalCommand : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    testing::register_tiny_task();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "data.bin") << "recordings";
    const ConfigNode root = parse_yaml(
        "name: tiny\ndevice: cpu\noutput_dir: " + (folder_ / "runs").string() +
            "\nagent: {type: tiny}\ndata: {type: tiny, path: " + (folder_ / "data.bin").string() +
            "}\nenv: {type: tiny}\ntrain: {max_steps: 2, batch_size: 16, save_every: 2, "
            "rollout_num_episodes: 0, threads: 1, held_out_episodes: 1}\n",
        "test.yaml");
    ASSERT_EQ(run_experiment(root, {}), 0);
    run_ = newest_run_folder(folder_ / "runs", "tiny");
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static std::string error_of(const Arguments& arguments) {
    return error_text([&] { eval_command(arguments); });
  }
  // What an evaluation of the run prints to standard output.
  static std::string output_of(Arguments arguments) {
    arguments.insert(arguments.begin(), {"--checkpoint", run_.string(), "--device", "cpu"});
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(eval_command(arguments), EXIT_SUCCESS);
    return ::testing::internal::GetCapturedStdout();
  }

  inline static const fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_eval_test";
  inline static fs::path run_;
};

TEST_F(EvalCommand, ReportsMistakesInOptionsBeforeItReadsTheCheckpoint) {
  const auto error = [](const std::vector<std::string>& options) {
    Arguments arguments = {"--checkpoint", "nowhere"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return error_of(arguments);
  };
  EXPECT_THAT(error({"--workers", "0"}), HasSubstr("--workers is too small: expected at least 1"));
  EXPECT_THAT(error({"--together", "-1"}), HasSubstr("--together is too small"));
  EXPECT_THAT(error({"--episodes", "0"}), HasSubstr("--episodes is too small"));
  EXPECT_THAT(error({"--seed", "-1"}), HasSubstr("--seed is too small"));
  EXPECT_THAT(error({"--video", "-1"}), HasSubstr("--video is too small"));
  EXPECT_THAT(error({"--control", "blind"}), HasSubstr("unknown control 'blind'"));
  EXPECT_THAT(error({"--device", "gpu"}), HasSubstr("unknown device 'gpu'"));
  EXPECT_THAT(error({"--together", "2", "--workers", "1"}), HasSubstr("nowhere"));
}

TEST_F(EvalCommand, RunsOneEpisodeAtATimeOnARobot) {
  const auto error = [](const char* option, const char* value) {
    return error_of({"--checkpoint", run_.string(), "--episodes", "2", "env.scene=false", option,
                     value, "--output", (folder_ / "robot").string()});
  };
  for (const char* option : {"--workers", "--together"}) {
    EXPECT_THAT(error(option, "2"),
                AllOf(HasSubstr("a robot runs one episode at a time"),
                      HasSubstr(std::string("expected ") + option +
                                " 1, because the environment has no scene; found " + option +
                                " 2; remove " + option)));
  }
  EXPECT_FALSE(fs::exists(folder_ / "robot"));
  // By default one process is used.
  output_of({"--episodes", "2", "env.scene=false", "--output", (folder_ / "robot").string()});
  EXPECT_TRUE(fs::exists(folder_ / "robot/trajectory_001.csv"));
}

TEST_F(EvalCommand, RecordsHowManyEpisodesRanTogether) {
  const std::string output =
      output_of({"--episodes", "3", "--together", "2", "--video", "0", "agent.noise=0.2"});
  const fs::path folder =
      run_ / "evaluations" / "step_00000002_seed_1000_episodes_3_together_2_agent.noise=0.2";
  const auto summary = nlohmann::json::parse(read_text(folder / "summary.json"));
  EXPECT_EQ(summary["subject"]["together"], "2");
  EXPECT_THAT(output, AllOf(HasSubstr("stable success        0/3  (the task's stricter criterion"),
                            HasSubstr(", each with its batch of up to 2; 0 of ")));
  output_of({"--episodes", "1", "--workers", "1", "--video", "0"});
  const fs::path alone = run_ / "evaluations/step_00000002_seed_1000_episodes_1";
  EXPECT_EQ(nlohmann::json::parse(read_text(alone / "summary.json"))["subject"]["together"], "1");
}

TEST_F(EvalCommand, GivesTheSameEpisodesWithAnyNumberOfThreads) {
  const auto table = [](const std::string& name, const Arguments& more) {
    const fs::path output = folder_ / name;
    Arguments arguments = {"--episodes",      "5",        "--video",      "0", "--together", "3",
                           "agent.noise=0.2", "--output", output.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    output_of(arguments);
    return read_text(output / "episodes.csv") + read_text(output / "trajectory_004.csv");
  };
  const std::string alone = table("one_thread", {"--workers", "1"});
  EXPECT_EQ(table("three_threads", {"--workers", "3"}), alone);
  EXPECT_EQ(table("default_threads", {}), alone);
}

// The values of `arguments`, without running them.
boost::program_options::variables_map values_of(const Arguments& arguments) {
  return parse_arguments(arguments, eval_options()).values;
}

TEST(EvalOptions, UseProcessesForOneEpisodeAtATimeAndThreadsForSeveral) {
  const int cores = at::get_num_threads();
  const auto found = [](Arguments arguments, bool has_scene = true) {
    arguments.insert(arguments.end(), {"--device", "cpu"});
    const Parallelism parallel = parallelism(values_of(arguments), has_scene);
    return std::pair(parallel.together, parallel.workers);
  };
  EXPECT_EQ(found({}), (std::pair<std::int64_t, std::int64_t>(1, cores)));
  EXPECT_EQ(found({"--workers", "7"}), (std::pair<std::int64_t, std::int64_t>(1, 7)));
  EXPECT_EQ(found({"--together", "8"}), (std::pair<std::int64_t, std::int64_t>(8, cores)));
  EXPECT_EQ(found({"--together", "8", "--workers", "3"}),
            (std::pair<std::int64_t, std::int64_t>(8, 3)));
  EXPECT_EQ(found({}, false), (std::pair<std::int64_t, std::int64_t>(1, 1)));
}

TEST(EvalOptions, RunSeveralEpisodesAtATimeOnAGpu) {
  const auto found = [](Arguments arguments, bool has_scene = true) {
    arguments.insert(arguments.end(), {"--device", "cuda:0"});
    const Parallelism parallel = parallelism(values_of(arguments), has_scene);
    return std::pair(parallel.together, parallel.workers);
  };
  if (!torch::cuda::is_available()) {
    EXPECT_THAT(error_text([&] { found({}); }), HasSubstr("cuda"));
    GTEST_SKIP() << "needs a GPU";
  }
  const int cores = at::get_num_threads();
  EXPECT_EQ(found({}), (std::pair<std::int64_t, std::int64_t>(32, cores)));
  EXPECT_EQ(found({"--together", "1"}), (std::pair<std::int64_t, std::int64_t>(1, 1)));
  EXPECT_EQ(found({}, false), (std::pair<std::int64_t, std::int64_t>(1, 1)));
}

TEST_F(EvalCommand, KnowsTheRunsDataByAnyPath) {
  const auto origin = [](const fs::path& data) {
    const Arguments options = {"--open-loop", "--json", "--data", data.string()};
    const auto json = nlohmann::json::parse(output_of(options));
    return json["demonstrations"].get<std::string>() + ", " +
           std::to_string(json["episodes"].size());
  };
  fs::create_symlink(folder_ / "data.bin", folder_ / "link.bin");
  fs::copy(folder_ / "data.bin", folder_ / "other.bin");
  EXPECT_EQ(origin(folder_ / "data.bin"), "held out of the training, 1");
  EXPECT_EQ(origin(folder_ / "runs/../data.bin"), "held out of the training, 1");
  EXPECT_EQ(origin(folder_ / "link.bin"), "held out of the training, 1");
  EXPECT_EQ(origin(folder_ / "other.bin"), "not from the run's data, 4");
}

TEST_F(EvalCommand, ExplainsTheUnitOfTheOpenLoopError) {
  EXPECT_THAT(output_of({"--open-loop"}),
              AllOf(HasSubstr(" % of half-range"),
                    HasSubstr("(half-range: half of an action's range in the training data)")));
}

}  // namespace
}  // namespace roboimi::app
