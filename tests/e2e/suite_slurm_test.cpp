// Tests of a suite on a real Slurm: munged, slurmctld and slurmd run on one node with their own
// ports, keys and folders, and end with the test.
#include <gmock/gmock.h>
#include <pwd.h>
#include <signal.h>

#include "roboimi/common/processes.h"
#include "tests/e2e/suite_support.h"

namespace roboimi::e2e {
namespace {

using ::testing::HasSubstr;

class Slurm {
 public:
  static constexpr const char* kName = "suite_slurm";

  explicit Slurm(const fs::path& folder) : folder_(folder) {
    for (const char* name : {"state", "spool", "munge"}) fs::create_directories(folder_ / name);
    start_munge();
    write_config();
    ::setenv("SLURM_CONF", (folder_ / "slurm.conf").c_str(), 1);
    const std::string path = (folder_ / "bin").string() + ":" + ::getenv("PATH");
    ::setenv("PATH", path.c_str(), 1);
    start("slurmctld", {"-D", "-i"});
    start("slurmd", {"-D", "-N", "node0"});
    EXPECT_TRUE(SuitePlace::wait_for([] {
      return run_process({"sinfo", "--noheader", "--format=%T"}).output.starts_with("idle");
    })) << read_text(folder_ / "ctld.log");
  }
  ~Slurm() {
    while (!daemons_.empty()) daemons_.pop_back();
  }
  Slurm(const Slurm&) = delete;
  Slurm& operator=(const Slurm&) = delete;

  // Installs a fake sacct, because real accounting needs a database. Empty: removes it.
  void sacct(const std::string& script) const {
    const fs::path file = folder_ / "bin" / "sacct";
    fs::remove(file);
    if (script.empty()) return;
    write_text_atomically(file, "#!/bin/sh\n" + script);
    fs::permissions(file, fs::perms::owner_all);
  }

 private:
  // Munge rejects files that others could write, and folders of another owner.
  void start_munge() {
    const passwd* munge = ::getpwnam("munge");
    ASSERT_NE(munge, nullptr) << "the user munge is missing: install the package munge";
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
    const auto file = boost::process::search_path(program, {"/usr/sbin", "/usr/bin", "/sbin"});
    daemons_.push_back(
        std::make_unique<Daemon>(file.string(), arguments, folder_ / (program + ".err")));
  }

  fs::path folder_;
  std::vector<std::unique_ptr<Daemon>> daemons_;  // each one needs the ones before it
};

using SuiteSlurm = SuiteTest<Slurm>;

constexpr const char* kCluster =
    "cluster: {kind: slurm, threads: 1, sbatch: [--partition=debug, --cpus-per-task=1]}";

TEST_F(SuiteSlurm, SubmitsTriesRequeuesStopsAndResumes) {
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

  // Requeued by Slurm, a run continues from its checkpoint in its own run folder.
  const std::string id = running["job_id"];
  EXPECT_EQ(run_process({"scontrol", "requeue", id}).status, 0);
  // On its own, Slurm would wait two minutes before it starts the job again.
  ASSERT_TRUE(place_->reaches(suite, "long_one", "queued"));
  EXPECT_EQ(run_process({"scontrol", "update", "JobId=" + id, "StartTime=now"}).status, 0);
  ASSERT_TRUE(place_->wait_for([&] { return place_->row(suite, "long_one")["attempts"] == 2; }))
      << place_->row(suite, "long_one").dump(2);
  const fs::path run = running["run_folder"].get<std::string>();
  ASSERT_TRUE(place_->wait_for([&] {
    const Json record = Json::parse(read_text(run / "run.json"));
    return record.contains("resumed_step") && record["resumed_step"] >= 100;
  }));

  // Stopped, it saves a checkpoint; resumed, it becomes a new job.
  ASSERT_TRUE(place_->reaches(suite, "long_one", "running"));
  ASSERT_EQ(place_->suite("stop", suite).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "stopped"));
  EXPECT_EQ(Json::parse(read_text(run / "run.json"))["status"], "interrupted");

  ASSERT_EQ(place_->suite("resume", suite).status, 0);
  // Slurm reports the job as running before the job's script has recorded it.
  ASSERT_TRUE(place_->wait_for([&] { return place_->row(suite, "long_one")["attempts"] == 3; }))
      << place_->row(suite, "long_one").dump(2);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "running"));
  EXPECT_EQ(place_->row(suite, "brief")["attempts"], 1);
  ASSERT_EQ(place_->suite("stop", suite).status, 0);
  EXPECT_TRUE(place_->reaches(suite, "long_one", "stopped"));
  EXPECT_FALSE(fs::exists(place_->place / "pwned"));
}

TEST_F(SuiteSlurm, AFailedTrialStartsNoRun) {
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

// Simulates that the launching machine went down before it saved the job number from sbatch.
TEST_F(SuiteSlurm, AJobWithAnUnknownNumberIsFoundAgainAndNotSubmittedTwice) {
  const fs::path suite = place_->write_suite("unnumbered", 100'000, kCluster);
  ASSERT_EQ(place_->suite("launch", suite).status, 0);
  ASSERT_TRUE(place_->wait_for([&] { return place_->row(suite, "long_one")["step"] > 0; }))
      << place_->row(suite, "long_one").dump(2);
  const fs::path file = suite / "work/cluster/submissions.json";
  Json submissions = Json::parse(read_text(file));
  submissions[0]["job_id"] = "";
  write_text_atomically(file, submissions.dump());
  EXPECT_EQ(place_->state(suite, "long_one"), "running");
  EXPECT_THAT(place_->suite("launch", suite).errors, HasSubstr("nothing to start"));
  ASSERT_EQ(place_->suite("stop", suite, {"long_one"}).status, 0);
  // Once the job has left the queue, its records show the number.
  ASSERT_TRUE(place_->reaches(suite, "long_one", "stopped"));
  EXPECT_THAT(place_->row(suite, "long_one")["text"].get<std::string>(), HasSubstr("at step"));
  EXPECT_TRUE(place_->reaches(suite, "brief", "finished"));
}

pid_t parent_of(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string word; status >> word;) {
    pid_t parent = 0;
    if (word == "PPid:" && status >> parent) return parent;
  }
  ADD_FAILURE() << "no process " << process;
  return 0;
}

TEST_F(SuiteSlurm, AccountingExplainsWhyAJobWasKilledIfAvailable) {
  const fs::path suite = place_->write_suite("killed", 100'000, kCluster);
  ASSERT_EQ(place_->suite("launch", suite, {"long_one"}).status, 0);
  ASSERT_TRUE(place_->wait_for([&] { return place_->row(suite, "long_one")["step"] > 5; }));
  const Json running = place_->row(suite, "long_one");
  const std::string id = running["job_id"];
  // As when memory runs out: both processes end at once without writing anything.
  const pid_t run = running["pid"];
  const pid_t job = parent_of(run);
  ASSERT_GT(job, 1);
  ::kill(job, SIGKILL);
  ::kill(run, SIGKILL);
  ASSERT_TRUE(place_->reaches(suite, "long_one", "lost"));
  EXPECT_EQ(place_->row(suite, "long_one")["text"],
            "its job was killed; accounting (sacct) has no reason");
  server_->sacct("echo '" + id + "|OUT_OF_MEMORY|0:125|node0|2026-01-31T12:00:00'");
  EXPECT_EQ(place_->state(suite, "long_one"), "failed");
  EXPECT_EQ(place_->row(suite, "long_one")["text"],
            "Slurm: OUT_OF_MEMORY, exit code 0:125, on node0, at 2026-01-31T12:00:00");
  server_->sacct("");
}

TEST_F(SuiteSlurm, AWaitingRunIsStoppedBeforeItBeginsAndHasItsTrialWhenResumed) {
  // A job that needs the whole node must wait. The target's --array option is overridden.
  const fs::path blocker = place_->write_suite("blocker", 100'000, kCluster);
  const fs::path suite = place_->write_suite(
      "waiting", 20, "cluster: {kind: slurm, threads: 1, sbatch: [--exclusive, --array=7]}");
  ASSERT_EQ(place_->suite("launch", blocker, {"long_one"}).status, 0);
  ASSERT_TRUE(place_->reaches(blocker, "long_one", "running"));
  ASSERT_EQ(place_->suite("launch", suite, {"brief", "--smoke", "2"}).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "brief", "queued"));
  ASSERT_EQ(place_->suite("stop", suite).status, 0);
  ASSERT_TRUE(place_->reaches(suite, "brief", "stopped"));
  EXPECT_EQ(place_->row(suite, "brief")["text"], "stopped before it started");
  ASSERT_EQ(place_->suite("stop", blocker).status, 0);
  ASSERT_TRUE(place_->reaches(blocker, "long_one", "stopped"));
  fs::rename(place_->place / "data", place_->place / "away");
  ASSERT_EQ(place_->suite("resume", suite).status, 0);
  EXPECT_TRUE(place_->reaches(suite, "brief", "failed"));
  fs::rename(place_->place / "away", place_->place / "data");
  EXPECT_THAT(place_->row(suite, "brief")["text"].get<std::string>(),
              HasSubstr("its trial failed"));
}

TEST_F(SuiteSlurm, AnErrorOfSbatchIsReportedInEveryRun) {
  const fs::path suite =
      place_->write_suite("refused", 20, "cluster: {kind: slurm, sbatch: [--partition=no_such]}");
  const Result launched = place_->suite("launch", suite);
  EXPECT_EQ(launched.status, 1);
  EXPECT_THAT(launched.errors, HasSubstr("sbatch failed"));
  EXPECT_EQ(place_->state(suite, "brief"), "failed");
}

}  // namespace
}  // namespace roboimi::e2e
