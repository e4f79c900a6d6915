// Tests of `roboimi run` and of a suite with the SwanLab package in offline mode.
#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>

#include "tests/e2e/suite_support.h"
#include "tests/reference/swanlab_records.h"

namespace roboimi::e2e {
namespace {

using ::testing::HasSubstr;

struct Swanlab : NoServer {
  static constexpr const char* kName = "swanlab";
  using NoServer::NoServer;
};

class SwanlabRun : public SuiteTest<Swanlab> {
 protected:
  // The arguments of a small training with the given name.
  static std::vector<std::string> training(const std::string& name, int steps,
                                           const std::vector<std::string>& more = {}) {
    return words(
        {"run", "--config", "lewm_imf_attnres.yaml", "size=small", "name=" + name,
         "agent=state_imf_attnres", "data.path=data", "agent.head.n_emb=16", "agent.head.n_layer=1",
         "agent.head.n_head=2", "train.batch_size=4", "train.threads=1", "train.log_every=5",
         "train.save_every=1000000", "train.rollout_every=0", "train.rollout_num_episodes=0",
         "train.max_steps=" + std::to_string(steps)},
        more);
  }
  static fs::path run_of(const std::string& name) {
    fs::path found;
    for (const auto& entry : fs::directory_iterator(place_->place / "runs")) {
      if (entry.path().filename().string().ends_with("_" + name)) found = entry.path();
    }
    return found;
  }
  static Json record_of(const fs::path& run) { return Json::parse(read_text(run / "run.json")); }

  // The process ID of a run's follower; 0 if there is none.
  static pid_t follower_of(const std::string& name) {
    return process_with({"swanlab_follow.py", "_" + name + '\0'});
  }

  static fs::path write_suite(const std::string& name, const std::string& mode) {
    const fs::path suite = place_->write_suite(name, 20, "here: {kind: local, slots: 1}");
    std::string text = read_text(suite / "suite.yaml");
    const std::string list = "overrides: [";
    text.insert(text.find(list) + list.size(), "track.swanlab=" + mode + ", ");
    write_text_atomically(suite / "suite.yaml", text);
    return suite;
  }
};

TEST_F(SwanlabRun, HasItsScalarsAndRolloutsInSwanlab) {
  const Result result = place_->place.run(
      training("shown", 20, {"train.rollout_num_episodes=1", "track.swanlab=offline"}));
  ASSERT_EQ(result.status, 0) << result.errors;
  const fs::path run = run_of("shown");
  EXPECT_EQ(record_of(run)["tracker_urls"], Json::array({(run / "swanlab").string()}));
  EXPECT_EQ(record_of(run)["status"], "finished");

  // SwanLab has the same losses as metrics.jsonl, an image, the config, the name and the end state.
  const nlohmann::json shown = read_swanlab(run);
  nlohmann::json losses = nlohmann::json::array();
  std::ifstream lines(run / "metrics.jsonl");
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row.contains("train/loss")) losses.push_back({row["step"], row["train/loss"]});
  }
  EXPECT_EQ(losses.size(), 4U);
  EXPECT_EQ(shown["scalars"]["train/loss"], losses);
  EXPECT_EQ(shown["images"]["rollout/trajectory_000"][0][0], 20);
  EXPECT_EQ(shown["config"]["train"]["max_steps"], 20);
  EXPECT_EQ(shown["names"], nlohmann::json::array({"shown"}));
  EXPECT_EQ(shown["ends"], nlohmann::json::array({"RUN_STATE_FINISHED"}));
}

TEST_F(SwanlabRun, IsNotAffectedWhenTheFollowerIsKilled) {
  constexpr int kSteps = 500;
  ASSERT_EQ(place_->place.run(training("alone", kSteps)).status, 0);
  auto child = place_->place.start(training("follower_killed", kSteps, {"track.swanlab=offline"}));
  pid_t follower = 0;
  ASSERT_TRUE(soon([&] { return (follower = follower_of("follower_killed")) > 0; }));
  ::kill(follower, SIGKILL);
  child.wait();
  EXPECT_EQ(child.exit_code(), 0);
  EXPECT_THAT(read_text(run_of("follower_killed") / "log.txt"),
              HasSubstr("SwanLab's follower ended with status 137; the run continues without it"));
  EXPECT_EQ(record_of(run_of("follower_killed"))["status"], "finished");
  for (const char* file : {"model.safetensors", "ema.safetensors"}) {
    const fs::path weights = fs::path("checkpoints") / "latest" / file;
    EXPECT_TRUE(read_text(run_of("alone") / weights) ==
                read_text(run_of("follower_killed") / weights))
        << file;
  }
}

TEST_F(SwanlabRun, StoppedByCtrlCShowsEverythingUpToItsEnd) {
  auto child = place_->place.start(training("stopped", 1'000'000, {"track.swanlab=offline"}));
  EXPECT_TRUE(soon([] {
    const fs::path run = fs::exists(place_->place / "runs") ? run_of("stopped") : fs::path();
    return !run.empty() && fs::exists(run / "run.json") && !record_of(run)["tracker_urls"].empty();
  })) << read_text(place_->place / "stderr.txt");
  ::kill(child.id(), SIGINT);
  child.wait();
  EXPECT_EQ(child.exit_code(), 130);
  const fs::path run = run_of("stopped");
  // The follower ended with the run.
  EXPECT_EQ(follower_of("stopped"), 0);
  const nlohmann::json shown = read_swanlab(run);
  EXPECT_EQ(shown["ends"], nlohmann::json::array({"RUN_STATE_ABORTED"}));
  const std::string metrics = read_text(run / "metrics.jsonl");
  const std::string last = metrics.substr(metrics.rfind('\n', metrics.size() - 2) + 1);
  EXPECT_EQ(shown["scalars"]["train/loss"].back()[0], nlohmann::json::parse(last)["step"]);
}

TEST_F(SwanlabRun, WithoutThePackageDoesNotStart) {
  const fs::path bare = place_->place / "bare";
  ASSERT_EQ(
      run_process({kTreePython.string(), "-m", "venv", "--without-pip", bare.string()}).status, 0);
  const Result result = place_->place.run(training("unshown", 20, {"track.swanlab=offline"}),
                                          {{"ROBOIMI_PYTHON", (bare / "bin/python").string()}});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors,
              HasSubstr("roboimi run: " + (bare / "bin/python").string() +
                        ": track.swanlab=offline: the Python package swanlab is missing"));
  EXPECT_THAT(result.errors, HasSubstr("run scripts/setup.sh --swanlab"));
  EXPECT_FALSE(fs::exists(place_->place / "runs") && !run_of("unshown").empty());
}

TEST_F(SwanlabRun, OfASuiteIsListedInItsStatus) {
  const fs::path suite = write_suite("shown_suite", "offline");
  const Result launched = place_->suite("launch", suite, {"brief"});
  ASSERT_EQ(launched.status, 0) << launched.errors;
  ASSERT_TRUE(place_->reaches(suite, "brief", "finished"));
  const Json row = Json::parse(read_text(suite / "status.json"))["runs"][0];
  EXPECT_EQ(row["tracker_url"], row["run_folder"].get<std::string>() + "/swanlab");
  EXPECT_EQ(read_swanlab(row["run_folder"].get<std::string>())["names"],
            nlohmann::json::array({"brief"}));
}

TEST_F(SwanlabRun, HasATrialWithoutTheCloud) {
  // Hide any SwanLab account of the user who runs this test.
  for (const char* name : {"SWANLAB_ROOT", "SWANLAB_SAVE_DIR", "HOME"}) {
    ::setenv(name, (place_->place / "nobody").c_str(), 1);
  }
  ::unsetenv("SWANLAB_API_KEY");
  const fs::path suite = write_suite("cloud_suite", "cloud");
  const Result launched = place_->suite("launch", suite, {"brief", "--smoke", "2"});
  ASSERT_EQ(launched.status, 0) << launched.errors;
  ASSERT_TRUE(place_->reaches(suite, "brief", "failed"));
  // The trial succeeded; then the run itself found no account.
  EXPECT_EQ(place_->row(suite, "brief")["attempts"], 1);
  EXPECT_THAT(place_->row(suite, "brief")["text"].get<std::string>(),
              HasSubstr("track.swanlab=cloud: not logged in to SwanLab: run 'swanlab login'"));
}

}  // namespace
}  // namespace roboimi::e2e
