// A suite by a real Slurm: munged, slurmctld and slurmd on one node, started here with their own
// ports, keys and folders, and ended with the test.
#include <gmock/gmock.h>
#include <pwd.h>
#include <signal.h>

#include "roboimi/common/processes.h"
#include "tests/e2e/suite_support.h"

namespace roboimi::e2e {
namespace {

namespace bp = boost::process;
using ::testing::HasSubstr;

class Slurm {
 public:
  explicit Slurm(const fs::path& folder) : folder_(folder) {
    for (const char* name : {"state", "spool", "munge"}) fs::create_directories(folder_ / name);
    start_munge();
    write_config();
    ::setenv("SLURM_CONF", (folder_ / "slurm.conf").c_str(), 1);
    start("slurmctld", {"-D", "-i"});
    start("slurmd", {"-D", "-N", "node0"});
  }
  ~Slurm() {
    for (auto daemon = daemons_.rbegin(); daemon != daemons_.rend(); ++daemon) {
      ::kill(daemon->id(), SIGTERM);
      if (!daemon->wait_for(std::chrono::seconds(10))) daemon->terminate();
      daemon->wait();
    }
  }
  Slurm(const Slurm&) = delete;
  Slurm& operator=(const Slurm&) = delete;

  bool is_idle() const {
    return run_process({"sinfo", "--noheader", "--format=%T"}).output.starts_with("idle");
  }

 private:
  // Munge refuses files that others could write, or folders of another owner.
  void start_munge() {
    const passwd* munge = ::getpwnam("munge");
    ASSERT_NE(munge, nullptr) << "the package munge makes this user";
    write_text_atomically(folder_ / "munge/key", std::string(1024, 'k'));
    fs::permissions(folder_ / "munge/key", fs::perms::owner_read);
    for (const fs::path& path : {folder_ / "munge", folder_ / "munge/key"}) {
      ASSERT_EQ(::chown(path.c_str(), munge->pw_uid, munge->pw_gid), 0);
    }
    start("runuser", {"-u", "munge", "--", "/usr/sbin/munged", "--foreground", "--force",
                      "--socket=" + (folder_ / "munge/socket").string(),
                      "--key-file=" + (folder_ / "munge/key").string(),
                      "--pid-file=" + (folder_ / "munge/pid").string(),
                      "--seed-file=" + (folder_ / "munge/seed").string(),
                      "--log-file=" + (folder_ / "munge/log").string()});
    EXPECT_TRUE(SuitePlace::wait_for([&] { return fs::exists(folder_ / "munge/socket"); }));
  }

  void write_config() const {
    const auto path = [&](const char* name) { return (folder_ / name).string(); };
    write_text_atomically(
        folder_ / "slurm.conf",
        "ClusterName=test\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort=" +
            std::to_string(free_port()) +
            "\n"
            "SlurmdPort=" +
            std::to_string(free_port()) +
            "\nSlurmUser=root\nAuthType=auth/munge\nAuthInfo=socket=" + path("munge/socket") +
            "\nStateSaveLocation=" + path("state") + "\nSlurmdSpoolDir=" + path("spool") +
            "\nSlurmctldPidFile=" + path("ctld.pid") + "\nSlurmdPidFile=" + path("slurmd.pid") +
            "\nSlurmctldLogFile=" + path("ctld.log") + "\nSlurmdLogFile=" + path("slurmd.log") +
            "\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n"
            "SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nReturnToService=2\n"
            "MpiDefault=none\nKillWait=30\n"
            "NodeName=node0 NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n"
            "PartitionName=debug Nodes=node0 Default=YES MaxTime=INFINITE State=UP\n");
  }

  void start(const std::string& program, const std::vector<std::string>& arguments) {
    daemons_.emplace_back(bp::exe = bp::search_path(program, {"/usr/sbin", "/usr/bin", "/sbin"}),
                          bp::args = arguments, bp::std_in<bp::null, bp::std_out> bp::null,
                          bp::std_err > (folder_ / (program + ".err")).string());
  }

  fs::path folder_;
  std::vector<bp::child> daemons_;
};

class SuiteSlurm : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    place_ = new SuitePlace("suite_slurm");
    slurm_ = new Slurm(place_->place / "slurm");
    ASSERT_TRUE(SuitePlace::wait_for([] { return slurm_->is_idle(); }))
        << read_text(place_->place / "slurm/ctld.log");
  }
  static void TearDownTestSuite() {
    delete slurm_;
    delete place_;
    slurm_ = nullptr;
    place_ = nullptr;
  }
  static SuitePlace* place_;
  static Slurm* slurm_;
};

SuitePlace* SuiteSlurm::place_ = nullptr;
Slurm* SuiteSlurm::slurm_ = nullptr;

constexpr const char* kCluster =
    "cluster: {kind: slurm, threads: 1, sbatch: [--partition=debug, --cpus-per-task=1]}";

TEST_F(SuiteSlurm, SubmitsTriesStopsRequeuesAndResumes) {
  const fs::path suite = place_->write_suite("cluster", 100'000, kCluster);
  const Result launched = place_->suite("launch", suite, {"--smoke", "2"});
  ASSERT_EQ(launched.status, 0) << launched.errors;
  EXPECT_THAT(place_->suite("launch", suite).errors, HasSubstr("nothing to start"));
  ASSERT_TRUE(place_->wait_for([&] { return place_->row(suite, "long_one")["step"] > 100; }))
      << place_->row(suite, "long_one").dump(2);
  const Json running = place_->row(suite, "long_one");
  EXPECT_EQ(running["state"], "running");
  EXPECT_EQ(running["slot"], "debug node0");
  EXPECT_TRUE(place_->reaches(suite, "brief", "finished"));

  // Queued again by Slurm, it goes on from its checkpoint in its own run folder.
  const std::string id = running["job_id"];
  EXPECT_EQ(run_process({"scontrol", "requeue", id}).status, 0);
  // Slurm itself would wait two minutes.
  ASSERT_TRUE(place_->reaches(suite, "long_one", "queued"));
  EXPECT_EQ(run_process({"scontrol", "update", "JobId=" + id, "StartTime=now"}).status, 0);
  ASSERT_TRUE(place_->wait_for([&] { return place_->row(suite, "long_one")["attempts"] == 2; }))
      << place_->row(suite, "long_one").dump(2);
  const fs::path run = running["run_folder"].get<std::string>();
  ASSERT_TRUE(place_->wait_for([&] {
    const Json record = Json::parse(read_text(run / "run.json"));
    return record.contains("resumed_step") && record["resumed_step"] >= 100;
  }));

  ASSERT_TRUE(place_->reaches(suite, "long_one", "running"));
  ASSERT_EQ(place_->suite("stop", suite).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "stopped"));
  EXPECT_EQ(Json::parse(read_text(run / "run.json"))["status"], "interrupted");

  ASSERT_EQ(place_->suite("resume", suite).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "running"));
  EXPECT_EQ(place_->row(suite, "long_one")["attempts"], 3);
  EXPECT_EQ(place_->row(suite, "brief")["attempts"], 1);
  ASSERT_EQ(place_->suite("stop", suite).status, 0);
  EXPECT_TRUE(place_->reaches(suite, "long_one", "stopped"));
  EXPECT_FALSE(fs::exists(place_->place / "pwned"));
}

TEST_F(SuiteSlurm, AFailedTrialStartsNothingLong) {
  const fs::path suite = place_->write_suite("trial", 20, kCluster);
  fs::rename(place_->place / "data", place_->place / "away");
  const Result launched = place_->suite("launch", suite, {"--smoke", "2"});
  EXPECT_EQ(launched.status, 0) << launched.errors;
  EXPECT_TRUE(place_->reaches(suite, "brief", "failed"));
  EXPECT_TRUE(place_->reaches(suite, "long_one", "failed"));
  fs::rename(place_->place / "away", place_->place / "data");
  EXPECT_EQ(place_->row(suite, "brief")["attempts"], 0);
  EXPECT_THAT(place_->row(suite, "brief")["text"].get<std::string>(),
              HasSubstr("its trial failed: exit status 1: roboimi run: "));
}

TEST_F(SuiteSlurm, WhatSbatchRefusesIsAReasonInEveryRun) {
  const fs::path suite =
      place_->write_suite("refused", 20, "cluster: {kind: slurm, sbatch: [--partition=no_such]}");
  const Result launched = place_->suite("launch", suite);
  EXPECT_EQ(launched.status, 1);
  EXPECT_THAT(launched.errors, HasSubstr("sbatch failed"));
  EXPECT_EQ(place_->state(suite, "brief"), "failed");
}

}  // namespace
}  // namespace roboimi::e2e
