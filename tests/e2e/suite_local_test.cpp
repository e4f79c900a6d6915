// Tests of a suite on this machine, from launch and trials to the end of its runs.
#include <gmock/gmock.h>

#include "roboimi/common/process_lock.h"
#include "tests/e2e/suite_support.h"

namespace roboimi::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kTwoSlots = "here: {kind: local, slots: 2, threads: 1}";

struct Here : NoServer {
  static constexpr const char* kName = "suite_local";
  using NoServer::NoServer;
};
using SuiteLocal = SuiteTest<Here>;

TEST_F(SuiteLocal, AKilledRunIsReportedAndResumedWithoutAffectingTheOther) {
  const fs::path suite = place_->write_suite("killed", 100'000, kTwoSlots);
  const Result launched = place_->suite("launch", suite, {"--smoke", "2"});
  ASSERT_EQ(launched.status, 0) << launched.errors;
  // A second launch finds that every run has begun.
  const Result second = place_->suite("launch", suite);
  EXPECT_EQ(second.status, 0) << second.errors;
  EXPECT_THAT(second.errors, HasSubstr("nothing to start"));

  // A killed run is reported as failed.
  ASSERT_TRUE(place_->wait_for([&] { return place_->row(suite, "long_one")["step"] > 100; }));
  ASSERT_TRUE(place_->reaches(suite, "brief", "finished"));
  const Json killed = place_->row(suite, "long_one");
  ::kill(killed["pid"].get<pid_t>(), SIGKILL);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "failed"));
  EXPECT_THAT(place_->row(suite, "long_one")["text"].get<std::string>(),
              StartsWith("signal 9 (Killed) at step "));

  ASSERT_EQ(place_->suite("resume", suite).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "running"));
  const Json resumed = place_->row(suite, "long_one");
  EXPECT_EQ(resumed["attempts"], 2);
  EXPECT_EQ(place_->row(suite, "brief")["attempts"], 1);
  // It continues from its checkpoint in the same run folder.
  EXPECT_EQ(resumed["run_folder"], killed["run_folder"]);
  const fs::path record_file = fs::path(resumed["run_folder"].get<std::string>()) / "run.json";
  const auto read_record = [&] { return Json::parse(read_text(record_file)); };
  // The resumed process first checks everything, then takes over the folder.
  ASSERT_TRUE(place_->wait_for([&] { return read_record().contains("resumed_step"); }));

  // Stopped, it saves a checkpoint.
  ASSERT_EQ(place_->suite("stop", suite, {"long_one"}).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "stopped"));
  EXPECT_THAT(place_->row(suite, "long_one")["text"].get<std::string>(),
              HasSubstr("with a checkpoint"));
  const Json record = read_record();
  EXPECT_EQ(record["status"], "interrupted");
  EXPECT_GE(record["resumed_step"], 100);

  // The records list the configurations, and no shell has interpreted a name.
  const Json manifest = Json::parse(read_text(suite / "manifest.json"));
  EXPECT_EQ(manifest["runs"][1]["config"]["train"]["max_steps"], 100'000);
  EXPECT_THAT(read_text(suite / "notes.md"), HasSubstr("| train.max_steps | 20 | 100000 |"));
  EXPECT_FALSE(fs::exists(place_->place / "pwned"));
}

TEST_F(SuiteLocal, AMistakeInOneRunStartsNothing) {
  const fs::path suite = place_->write_suite(
      "mistake", 20, kTwoSlots, "  - {name: wrong, overrides: [agent.head.n_embd=3]}\n");
  const Result launched = place_->suite("launch", suite);
  EXPECT_EQ(launched.status, 1);
  EXPECT_THAT(launched.errors, HasSubstr("run wrong: unknown key 'agent.head.n_embd'"));
  EXPECT_FALSE(fs::exists(suite / "status.json"));
}

TEST_F(SuiteLocal, AFailedTrialStartsNoRunAndCanBeLaunchedAgainOnceFixed) {
  const fs::path suite = place_->write_suite("trial", 20, kTwoSlots);
  fs::rename(place_->place / "data", place_->place / "away");
  ASSERT_EQ(place_->suite("launch", suite, {"--smoke", "2"}).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "failed"));
  ASSERT_TRUE(place_->reaches(suite, "brief", "failed"));
  EXPECT_EQ(place_->row(suite, "brief")["attempts"], 0);
  EXPECT_THAT(read_text(suite / "notes.md"), HasSubstr("roboimi run: "));
  fs::rename(place_->place / "away", place_->place / "data");
  ASSERT_EQ(place_->suite("launch", suite, {"--smoke", "2"}).status, 0);
  EXPECT_TRUE(place_->reaches(suite, "brief", "finished"));
  EXPECT_TRUE(place_->reaches(suite, "long_one", "finished"));
}

TEST_F(SuiteLocal, ARunOutlivesItsSupervisorAndTheNextOneTakesItOver) {
  const fs::path suite = place_->write_suite("orphan", 100'000, kTwoSlots);
  ASSERT_EQ(place_->suite("launch", suite).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "brief", "finished"));
  ASSERT_TRUE(place_->reaches(suite, "long_one", "running"));
  const Json before = place_->row(suite, "long_one");
  const pid_t supervisor = process_with({"supervise", suite.string()});
  ASSERT_GT(supervisor, 0);
  ::kill(supervisor, SIGKILL);
  ASSERT_TRUE(place_->wait_for(
      [&] { return place_->row(suite, "long_one")["text"] == "runs without its supervisor"; }));
  EXPECT_EQ(place_->state(suite, "long_one"), "running");
  EXPECT_THAT(place_->suite("launch", suite).errors, HasSubstr("nothing to start"));
  ASSERT_EQ(place_->suite("stop", suite).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "stopped"));
  const Json after = place_->row(suite, "long_one");
  EXPECT_EQ(after["pid"], before["pid"]);
  EXPECT_EQ(after["attempts"], 1);
}

TEST_F(SuiteLocal, ARunThatNoSupervisorAcceptedIsNotStartedLater) {
  const fs::path suite = place_->write_suite("untaken", 20, kTwoSlots);
  {
    const ProcessLock lock = ProcessLock::take(suite / "work/here/supervisor.lock");
    const Result launched = place_->suite("launch", suite, {"long_one"});
    EXPECT_EQ(launched.status, 1);
    EXPECT_THAT(launched.errors, HasSubstr("no supervisor accepts the requests"));
  }
  EXPECT_EQ(place_->state(suite, "long_one"), "failed");
  ASSERT_EQ(place_->suite("launch", suite, {"brief"}).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "brief", "finished"));
  const Json row = place_->row(suite, "long_one");
  EXPECT_EQ(row["state"], "failed");
  EXPECT_EQ(row["attempts"], 0);
  EXPECT_THAT(row["text"].get<std::string>(), StartsWith("not started: "));
}

TEST_F(SuiteLocal, ReportsUnknownRunsCommandsAndSuites) {
  const fs::path suite = place_->write_suite("names", 20, kTwoSlots);
  EXPECT_THAT(place_->suite("launch", suite, {"breif"}).errors, HasSubstr("did you mean 'brief'?"));
  EXPECT_THAT(place_->suite("stop", suite, {"brief"}).errors,
              HasSubstr("no run 'brief' was launched"));
  EXPECT_THAT(place_->suite("lunch", suite).errors,
              HasSubstr("did you mean 'roboimi suite launch'?"));
  EXPECT_THAT(place_->suite("status", suite / "nothing").errors,
              ::testing::AllOf(HasSubstr("no such suite"),
                               HasSubstr("an installation contains no suites: write one")));
}

}  // namespace
}  // namespace roboimi::e2e
