#include "app/multirun.h"

#include <gmock/gmock.h>

#include "roboimi/common/error.h"
#include "roboimi/train/stop_request.h"

namespace roboimi::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> suffixes(const std::vector<std::string>& overrides) {
  std::vector<std::string> found;
  for (const SweepJob& job : sweep_jobs(overrides)) found.push_back(job.suffix);
  return found;
}

TEST(SweepJobs, AreNamedByTheValuesThatDiffer) {
  EXPECT_THAT(suffixes({"seed=0,1", "train.max_steps=5"}), ElementsAre("_seed0", "_seed1"));
  EXPECT_THAT(
      suffixes({"agent/backbone=resnet18,vit", "train.learning_rate=1e-4,1e-3"}),
      ElementsAre("_backbone_resnet18_learning_rate1e-4", "_backbone_resnet18_learning_rate1e-3",
                  "_backbone_vit_learning_rate1e-4", "_backbone_vit_learning_rate1e-3"));
  EXPECT_THAT(suffixes({"data.path=/mnt/a b,c#d"}), ElementsAre("_path_-mnt-a-b", "_path_c-d"));
  EXPECT_THAT(suffixes({"name=a,b"}), ElementsAre("", ""));
  EXPECT_THAT(suffixes({"seed=1"}), ElementsAre(""));
  EXPECT_LE(suffixes({"a=" + std::string(500, 'x') + ",y"})[0].size(), 120u);
}

TEST(RunJobs, RunsAllJobsAndFailsIfOneDoes) {
  std::vector<std::string> done;
  ::testing::internal::CaptureStderr();
  const int status = run_jobs(sweep_jobs({"seed=0,1,2"}), [&](const SweepJob& job) {
    done.push_back(job.overrides[0]);
    if (job.overrides[0] == "seed=1") throw Error({.what = "no data", .where = "here"});
    return EXIT_SUCCESS;
  });
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("roboimi run: seed=1: here: no data\n"));
  EXPECT_EQ(status, EXIT_FAILURE);
  EXPECT_THAT(done, ElementsAre("seed=0", "seed=1", "seed=2"));
}

TEST(RunJobs, SucceedsIfAllJobsDo) {
  int count = 0;
  EXPECT_EQ(run_jobs(sweep_jobs({"a=1,2", "b=x,y"}),
                     [&](const SweepJob&) {
                       ++count;
                       return EXIT_SUCCESS;
                     }),
            EXIT_SUCCESS);
  EXPECT_EQ(count, 4);
  EXPECT_EQ(run_jobs(sweep_jobs({"a=1"}), [](const SweepJob&) { return 7; }), EXIT_FAILURE);
}

TEST(RunJobs, EndsAtAnInterruption) {
  int count = 0;
  EXPECT_EQ(run_jobs(sweep_jobs({"a=1,2,3"}),
                     [&](const SweepJob&) { return ++count == 2 ? kInterruptedStatus : 0; }),
            kInterruptedStatus);
  EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace roboimi::app
