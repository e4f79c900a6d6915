// The supervisor with GPUs and a script in place of nvidia-smi.
#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/unit/suite/supervisor_fixture.h"

namespace roboimi {
namespace {

class SupervisorOfGpus : public SupervisorTest {
 protected:
  SupervisorOfGpus() : former_path_(::getenv("PATH")) {
    ::setenv("PATH", ((folder_ / "bin").string() + ":" + former_path_).c_str(), 1);
  }
  ~SupervisorOfGpus() override { ::setenv("PATH", former_path_.c_str(), 1); }

  // A script in place of nvidia-smi. $GPU is the queried GPU.
  void nvidia_smi(const std::string& script) const {
    const auto file = folder_.write("bin/nvidia-smi", "#!/bin/sh\nGPU=$4\n" + script);
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  void gpu_queue(const std::string& script, const std::vector<std::int64_t>& gpus, bool smoke) {
    queue(script, static_cast<int>(gpus.size()), 0, smoke);
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      queue_.slots.push_back({"gpu " + std::to_string(gpus[i]), gpus[i]});
      queue_.jobs[i].gpu = gpus[i];
    }
    work_.write_queue(queue_);
  }

 private:
  std::string former_path_;
};

TEST_F(SupervisorOfGpus, ABusyGpuDelaysOnlyItsOwnRun) {
  nvidia_smi("test $GPU = 0 && test ! -e '" + (folder_ / "free").string() +
             "' && echo '4711, python'\nexit 0");
  gpu_queue("echo $NAME $KIND $CUDA_VISIBLE_DEVICES >> trace", {0, 1}, /*smoke=*/true);
  std::thread supervisor([&] { supervise(work_); });
  EXPECT_TRUE(wait_for([&] { return row("b").state == RunState::kFinished; }));
  EXPECT_EQ(row("a").text, "waits: GPU 0 is used by process 4711 (python)");
  EXPECT_EQ(trace(), "b smoke 1\nb config 1\n");
  folder_.write("free", "");
  supervisor.join();
  EXPECT_EQ(trace(), "b smoke 1\nb config 1\na smoke 0\na config 0\n");
}

TEST_F(SupervisorOfGpus, ALaunchThatReordersTheSlotsKeepsOneRunPerGpu) {
  nvidia_smi("");
  gpu_queue(
      "mkdir busy$CUDA_VISIBLE_DEVICES || echo two >> trace; sleep 1.5\n"
      "rmdir busy$CUDA_VISIBLE_DEVICES",
      {0, 1, 0}, /*smoke=*/false);
  queue_.slots.pop_back();
  std::filesystem::remove(work_.request("start", "b"));
  std::filesystem::remove(work_.request("start", "c"));
  work_.write_queue(queue_);
  std::thread supervisor([&] { supervise(work_); });
  ASSERT_TRUE(wait_for([&] { return row("a").state == RunState::kRunning; }));
  std::swap(queue_.slots[0], queue_.slots[1]);
  work_.write_queue(queue_);
  request("start-b");
  request("start-c");
  supervisor.join();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "trace"));
  EXPECT_EQ(row("c").slot, "gpu 0");
  EXPECT_EQ(row("c").state, RunState::kFinished);
}

TEST_F(SupervisorOfGpus, ARunFailsIfTheTargetNoLongerHasItsGpu) {
  gpu_queue("", {0, 1}, /*smoke=*/false);
  queue_.slots.pop_back();
  work_.write_queue(queue_);
  supervise(work_);
  EXPECT_EQ(row("a").state, RunState::kFinished);
  EXPECT_EQ(row("b").text, "not started: the target no longer has GPU 1");
}

}  // namespace
}  // namespace roboimi
