// Training of a tiny agent with a communicator, in one process or several.
#include <gmock/gmock.h>

#include "roboimi/common/error.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/io/tensor_map.h"
#include "roboimi/train/trainer.h"
#include "tests/error_text.h"
#include "tests/plugins/communicators/communicator_under_test.h"
#include "tests/unit/train/recorder.h"
#include "tests/unit/train/tiny_agent.h"

namespace roboimi::testing {
namespace {

using ::testing::HasSubstr;

class TrainingTogether : public ::testing::Test {
 protected:
  TrainingTogether()
      : agent_(testing::make_tiny_agent(static_cast<std::uint64_t>(processes_.rank()))) {
    options_.max_steps = 20;
    options_.log_every = 5;
    options_.save_every = 10;
    options_.rollout_every = 0;
    options_.schedule = {.peak = 1e-2, .warmup_steps = 2, .max_steps = 20};
  }
  ~TrainingTogether() override { processes_.finish(); }

  TrainerParts parts() {
    return {.agent = *agent_,
            .batches =
                [this](std::int64_t n) { return batch(n * processes_.size() + processes_.rank()); },
            .communicator = &processes_,
            .seed = 1};
  }
  static Batch batch(std::int64_t n) { return testing::tiny_batch(1, n); }

  // The largest difference to rank 0 over all parameters and buffers.
  double distance_to_first() {
    double largest = 0.0;
    for (const auto& [name, tensor] : tensors_of(*agent_)) {
      at::Tensor first = tensor.detach().clone();
      processes_.broadcast(first, 0);
      const at::Tensor difference = (first.to(at::kDouble) - tensor.to(at::kDouble)).abs();
      if (tensor.numel() > 0) largest = std::max(largest, difference.max().item<double>());
    }
    return largest;
  }

  std::unique_ptr<Communicator> made_ = make_communicator();
  Communicator& processes_ = *made_;
  std::shared_ptr<testing::TinyAgent> agent_;  // different initial weights in each process
  TrainOptions options_;
};

TEST_F(TrainingTogether, GivesBitIdenticalWeightsInAllProcesses) {
  EXPECT_EQ(Trainer(parts(), options_).run(), TrainEnd::kFinished);
  EXPECT_EQ(distance_to_first(), 0.0);
}

// Without noise and BatchNorm's batch statistics, the batches of the processes act as one large
// batch.
TEST_F(TrainingTogether, MatchesOneProcessWithAllBatches) {
  agent_->set_noise(0.0);
  agent_->forget_batch_statistics();
  Trainer(parts(), options_).run();

  const auto alone = testing::make_tiny_agent();
  alone->set_noise(0.0);
  alone->forget_batch_statistics();
  options_.accumulate = processes_.size();
  Trainer({.agent = *alone, .batches = batch, .seed = 1}, options_).run();
  for (const auto& parameter : alone->named_parameters()) {
    EXPECT_TRUE(
        at::allclose(agent_->named_parameters()[parameter.key()], parameter.value(), 1e-4, 1e-5))
        << parameter.key();
  }
}

TEST_F(TrainingTogether, TracksMeansOverTheProcesses) {
  Recorder recorder;
  TrainerParts tracked = parts();
  tracked.tracker = &recorder;
  options_.schedule.peak = 0.0;
  options_.max_steps = options_.log_every = 1;
  agent_->set_noise(0.0);
  agent_->forget_batch_statistics();
  Trainer(tracked, options_).run();
  double expected = 0.0;
  at::Generator generator = make_generator(0);
  for (std::int64_t rank = 0; rank < processes_.size(); ++rank) {
    expected += agent_->loss(batch(rank), generator).loss.item<double>();
  }
  EXPECT_NEAR(recorder.lines[1]["train/loss"], expected / static_cast<double>(processes_.size()),
              1e-5);
}

TEST_F(TrainingTogether, ReportsMetricsThatDifferBetweenProcesses) {
  class UnevenAgent : public testing::TinyAgent {
   public:
    using TinyAgent::TinyAgent;
    LossReport loss(const Batch& batch, at::Generator& generator) override {
      LossReport report = TinyAgent::loss(batch, generator);
      if (is_other) report.metrics = {{"grasps", report.loss.detach()}, {"twice", report.loss}};
      return report;
    }
    bool is_other = false;
  };
  if (processes_.size() == 1) return;
  UnevenAgent agent(testing::tiny_spec());
  agent.is_other = processes_.rank() == 1;
  const at::Tensor eye = at::eye(3);
  agent.set_statistics({.state = Statistics::of(eye), .action = Statistics::of(eye)});
  const TrainerParts own = parts();
  for (const std::int64_t log_every : {5, 1000}) {  // found while logging, and while saving
    options_.log_every = log_every;
    Trainer trainer(
        {.agent = agent, .batches = own.batches, .communicator = &processes_, .seed = 1}, options_);
    EXPECT_EQ(error_text([&] { trainer.run(); }),
              "Agent::loss(): the agent reports other metrics in different processes: expected "
              "those of rank 0 in every process: gradient_norm, loss, twice; found gradient_norm, "
              "grasps, loss, twice in rank 1; report the same metrics for every batch");
  }
}

TEST_F(TrainingTogether, StopsAllProcessesAfterTheSameStep) {
  TrainerParts stopped = parts();
  int asked = 0;
  // Only one process is asked to stop.
  stopped.should_stop = [&] { return ++asked > 7 && processes_.rank() == processes_.size() - 1; };
  Trainer trainer(stopped, options_);
  EXPECT_EQ(trainer.run(), TrainEnd::kInterrupted);
  EXPECT_EQ(trainer.step(), 7);
  EXPECT_EQ(distance_to_first(), 0.0);
}

TEST_F(TrainingTogether, RunsRolloutsAndValidationOnlyInTheFirstProcess) {
  TrainerParts measured = parts();
  int validations = 0, rollouts = 0;
  measured.validation = [&](std::int64_t) {
    ++validations;
    return std::map<std::string, double>{{"loss", 1.0}};
  };
  measured.rollouts = [&](std::int64_t) {
    ++rollouts;
    return std::map<std::string, double>{{"success_rate", 1.0}};
  };
  options_.validate_every = options_.rollout_every = 10;
  EXPECT_EQ(Trainer(measured, options_).run(), TrainEnd::kFinished);
  EXPECT_EQ(validations, processes_.rank() == 0 ? 2 : 0);
  EXPECT_EQ(rollouts, processes_.rank() == 0 ? 2 : 0);
}

TEST_F(TrainingTogether, StopsAllProcessesOnCtrlCDuringRollouts) {
  TrainerParts interrupted = parts();
  bool stop = false;
  interrupted.should_stop = [&] { return stop; };
  interrupted.rollouts = [&](std::int64_t) -> std::map<std::string, double> {
    stop = true;
    throw Interrupted("the evaluation was interrupted");
  };
  Trainer trainer(interrupted, options_);
  EXPECT_EQ(trainer.run(), TrainEnd::kInterrupted);
  EXPECT_EQ(trainer.step(), 20);
}

// Losses are shared in training, but not in the validation of the first process.
TEST_F(TrainingTogether, ValidatesWithoutTheOtherProcesses) {
  class SharingAgent : public testing::TinyAgent {
   public:
    using TinyAgent::TinyAgent;
    void share_batches(Communicator& communicator) override { shared_by = communicator.size(); }
    std::int64_t shared_by = 0;
  };
  SharingAgent agent(testing::tiny_spec());
  const at::Tensor eye = at::eye(3);
  agent.set_statistics({.state = Statistics::of(eye), .action = Statistics::of(eye)});
  TrainerParts measured = parts();
  Trainer trainer({.agent = agent,
                   .batches = measured.batches,
                   .validation =
                       [&](std::int64_t) {
                         EXPECT_LE(agent.shared_by, 1);
                         return std::map<std::string, double>{};
                       },
                   .communicator = &processes_},
                  options_);
  trainer.run();
  EXPECT_EQ(agent.shared_by, processes_.size() == 1 ? 0 : processes_.size());
}

TEST_F(TrainingTogether, DetectsWeightsThatDiffer) {
  TrainerParts differing = parts();
  differing.batches = [&](std::int64_t n) {
    // Simulates the different arithmetic of another machine.
    if (n == 3 && processes_.rank() == 1)
      agent_->named_parameters()["first.weight"].data().mul_(1.001);
    return batch(n * processes_.size() + processes_.rank());
  };
  if (processes_.size() == 1) {
    EXPECT_EQ(Trainer(differing, options_).run(), TrainEnd::kFinished)
        << "there is no process to differ from";
    return;
  }
  try {
    Trainer(differing, options_).run();
    FAIL() << "training continued";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("training step 10: the processes no longer hold the same"));
    EXPECT_THAT(error.what(), HasSubstr("in rank " + std::to_string(processes_.rank())));
  }
}

}  // namespace
}  // namespace roboimi::testing
