// Tests of `roboimi run` with the communicator `nccl` in two processes.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/e2e/several_processes.h"

namespace roboimi::e2e {
namespace {

using ::testing::HasSubstr;

class NcclTraining : public SeveralProcesses {
 protected:
  static void SetUpTestSuite() { collect_small("nccl"); }

  static std::vector<std::string> policy(const std::vector<std::string>& more = {}) {
    return policy_with("nccl", words({"device=cpu"}, more));
  }

  static boost::process::child start_with_torchrun(const std::vector<std::string>& arguments) {
    return place_->start_program(PYTHON,
                                 words({"-m", "torch.distributed.run", "--standalone",
                                        "--no-python", "--nproc-per-node", "2", kRoboimi},
                                       arguments),
                                 {{"OMP_NUM_THREADS", "1"}});
  }
  // Unlike torchrun, this does not end the other processes when one fails.
  static boost::process::child start_alone(const std::vector<std::string>& arguments) {
    return place_->start_program(PROCESSES, words({"2", kRoboimi}, arguments),
                                 {{"OMP_NUM_THREADS", "1"}});
  }
  static Result run(const std::vector<std::string>& arguments) {
    auto child = start_with_torchrun(arguments);
    return finish(child);
  }
};

TEST_F(NcclTraining, LeavesOneRunFolderThatResumes) {
  const Result trained = run(policy({"train.max_steps=10", "train.save_every=5"}));
  ASSERT_EQ(trained.status, 0) << trained.errors;
  EXPECT_THAT(trained.errors, HasSubstr("training with 2 processes, started by torchrun"));
  const std::vector<fs::path> folders{fs::directory_iterator(runs()), {}};
  ASSERT_EQ(folders.size(), 1U);
  EXPECT_EQ(record_of(folders[0])["status"], "finished");
  EXPECT_EQ(record_of(folders[0])["processes"], 2);

  const Result resumed =
      run({"run", "--resume", folders[0].string(), "train.max_steps=12", "track.swanlab=off"});
  EXPECT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_EQ(record_of(folders[0])["status"], "finished");
}

// The other process ends with an error when one is killed.
TEST_F(NcclTraining, EndsWhenAProcessIsKilled) {
  auto child = start_alone(policy({"train.max_steps=10000000", "train.save_every=10000000"}));
  ASSERT_TRUE(has_begun());
  const fs::path run = newest_run(runs());
  ASSERT_EQ(::kill(record_of(run)["pid"].get<int>(), SIGKILL), 0);
  const Result result = finish(child);
  EXPECT_NE(result.status, 0);
  EXPECT_THAT(result.errors, HasSubstr("another process of this training has ended"));
  EXPECT_THAT(record_of(run).value("status", ""),
              ::testing::StartsWith("failed: nccl, rank 1 of 2: another process"));
}

TEST_F(NcclTraining, WarnsWithoutALauncher) {
  const Result result = place_->run(policy({"train.max_steps=5"}), {{"OMP_NUM_THREADS", "1"}});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("nccl: this is the only process"));
  EXPECT_THAT(result.errors, HasSubstr("torchrun --no-python"));
}

}  // namespace
}  // namespace roboimi::e2e
