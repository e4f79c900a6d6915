#include "roboimi/train/trainer.h"

#include <ATen/autocast_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/common/interrupted.h"
#include "roboimi/io/safetensors.h"
#include "tests/error_text.h"
#include "tests/unit/train/recorder.h"
#include "tests/unit/train/tiny_agent.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using testing::Recorder;
namespace fs = std::filesystem;

class TrainerTest : public ::testing::Test {
 protected:
  TrainerTest() {
    fs::remove_all(folder_);
    options_.max_steps = 30;
    options_.log_every = 5;
    options_.save_every = 10;
    options_.rollout_every = 0;
    options_.schedule = {.peak = 1e-2, .warmup_steps = 5, .max_steps = 30};
  }
  ~TrainerTest() override { fs::remove_all(folder_); }

  TrainerParts parts(Agent& agent, CheckpointStore* store = nullptr) const {
    return {.agent = agent,
            .batches = [](std::int64_t step) { return testing::tiny_batch(1, step); },
            .checkpoints = store,
            .seed = 1};
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_trainer_test";
  TrainOptions options_;
};

TEST_F(TrainerTest, LearnsAndTracksTheMeansOfItsSteps) {
  const auto agent = testing::make_tiny_agent();
  Recorder recorder;
  TrainerParts with_tracker = parts(*agent);
  with_tracker.tracker = &recorder;
  options_.max_steps = options_.schedule.max_steps = 200;
  Trainer trainer(with_tracker, options_);
  EXPECT_EQ(trainer.run(), TrainEnd::kFinished);
  ASSERT_EQ(recorder.lines.size(), 40U);
  EXPECT_LT(recorder.lines[200]["train/loss"], 0.3 * recorder.lines[5]["train/loss"]);
  EXPECT_NEAR(recorder.lines[5]["train/twice"], 2 * recorder.lines[5]["train/loss"], 1e-6);
  EXPECT_DOUBLE_EQ(recorder.lines[5]["train/learning_rate"], 1e-2);
  EXPECT_GT(recorder.lines[5]["train/gradient_norm"], 0.0);
}

TEST_F(TrainerTest, ResumesBitExactlyFromACheckpoint) {
  CheckpointStore whole_store(folder_ / "whole", 10);
  const auto whole = testing::make_tiny_agent();
  Trainer(parts(*whole, &whole_store), options_).run();

  CheckpointStore store(folder_ / "halves", 10);
  const auto first = testing::make_tiny_agent();
  TrainOptions half = options_;
  half.max_steps = 10;
  Trainer(parts(*first, &store), half).run();
  const auto second = testing::make_tiny_agent(/*seed=*/77);  // other weights, to be replaced
  Trainer trainer(parts(*second, &store), options_);
  trainer.resume(read_checkpoint(*store.latest()));
  EXPECT_EQ(trainer.step(), 10);
  trainer.run();

  const Checkpoint expected = read_checkpoint(folder_ / "whole" / "step_00000030");
  const Checkpoint found = read_checkpoint(folder_ / "halves" / "step_00000030");
  EXPECT_EQ(found.state.ema_step, 30);
  for (const auto& [a, b] :
       {std::pair(&expected.model, &found.model), std::pair(&expected.ema, &found.ema),
        std::pair(&expected.optimizer, &found.optimizer)}) {
    ASSERT_EQ(a->size(), b->size());
    for (const auto& [name, tensor] : *a) EXPECT_TRUE(at::equal(tensor, b->at(name))) << name;
  }
  EXPECT_TRUE(found.model.contains("normalizer.shift"));
  EXPECT_TRUE(found.model.contains("frozen.weight"));
}

TEST_F(TrainerTest, AveragesTheGradientsOfAccumulatedBatches) {
  // Without noise and BatchNorm's batch statistics, two halves equal the whole batch.
  const auto train = [&](std::int64_t accumulate, auto batches) {
    const auto agent = testing::make_tiny_agent();
    agent->set_noise(0.0);
    agent->forget_batch_statistics();
    TrainerParts halves = parts(*agent);
    halves.batches = batches;
    options_.accumulate = accumulate;
    Trainer(halves, options_).run();
    return agent->named_parameters()["second.weight"].detach().clone();
  };
  const auto whole = [](std::int64_t n) { return testing::tiny_batch(1, n); };
  const auto half = [](std::int64_t n) {
    const Batch batch = testing::tiny_batch(1, n / 2);
    const std::int64_t start = 8 * (n % 2);
    return Batch{.observations = {{"state", batch.observations.state().slice(0, start, start + 8)}},
                 .actions = batch.actions.slice(0, start, start + 8),
                 .is_pad = batch.is_pad.slice(0, start, start + 8)};
  };
  EXPECT_TRUE(at::allclose(train(1, whole), train(2, half), 1e-4, 1e-5));
}

TEST_F(TrainerTest, RunsTheForwardPassInMixedPrecisionAndKeepsTheWeightsInFloat32) {
  const auto agent = testing::make_tiny_agent();
  CheckpointStore store(folder_, 10);
  options_.mixed_precision = true;
  Trainer(parts(*agent, &store), options_).run();
  EXPECT_EQ(agent->last_output_dtype(), at::kBFloat16);
  EXPECT_EQ(agent->named_parameters()["first.weight"].scalar_type(), at::kFloat);
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  EXPECT_EQ(read_checkpoint_state(*store.latest()).conditions.precision, "bfloat16 autocast");
}

TEST_F(TrainerTest, UsesNoCudaGraphOnACpuAndRejectsARequiredOne) {
  const auto agent = testing::make_tiny_agent();
  CheckpointStore store(folder_, 10);
  options_.tf32 = true;  // no effect on a CPU
  Trainer(parts(*agent, &store), options_).run();
  const NumericConditions conditions = read_checkpoint_state(*store.latest()).conditions;
  EXPECT_FALSE(conditions.cuda_graph);
  EXPECT_EQ(conditions.matmul, "fp32");
  options_.cuda_graph = CudaGraphUse::kOn;
  EXPECT_EQ(
      error_text([&] { Trainer(parts(*agent), options_); }),
      "train.cuda_graph: a CUDA graph needs a CUDA device: expected device: cuda, or "
      "cuda_graph: auto or off; found cuda_graph: on with device: cpu; `roboimi doctor` shows "
      "the devices that this libtorch finds");
}

TEST_F(TrainerTest, ReadsTheCudaGraphAndMatmulOptions) {
  const auto read = [](const std::string& yaml) {
    return options_from<TrainOptions>(
        parse_options(parse_yaml(yaml, "t.yaml"), schema_of<TrainOptions>(), "train"));
  };
  EXPECT_EQ(read("{}").cuda_graph, CudaGraphUse::kAuto);
  EXPECT_FALSE(read("{}").tf32);
  EXPECT_EQ(read("{cuda_graph: on}").cuda_graph, CudaGraphUse::kOn);
  EXPECT_EQ(read("{cuda_graph: off, matmul: tf32}").cuda_graph, CudaGraphUse::kOff);
  EXPECT_TRUE(read("{cuda_graph: off, matmul: tf32}").tf32);
  EXPECT_THAT(error_text([&] { read("{cuda_graph: yes}"); }), HasSubstr("one of auto, on, off"));
}

TEST_F(TrainerTest, ValidatesWithTheAveragedWeightsAndContinuesTraining) {
  const auto agent = testing::make_tiny_agent();
  Recorder recorder;
  TrainerParts validated = parts(*agent);
  validated.tracker = &recorder;
  Trainer* trainer = nullptr;
  std::vector<std::int64_t> steps;
  validated.validation = [&](std::int64_t step) {
    steps.push_back(step);
    agent->eval();
    EXPECT_TRUE(at::equal(agent->named_parameters()["first.weight"],
                          trainer->ema()->state().at("first.weight")));
    return std::map<std::string, double>{{"loss", 0.25}};
  };
  options_.validate_every = 20;
  Trainer made(validated, options_);
  trainer = &made;
  made.run();
  EXPECT_THAT(steps, ::testing::ElementsAre(20, 30));
  EXPECT_TRUE(agent->is_training());
  EXPECT_DOUBLE_EQ(recorder.lines[20]["validation/loss"], 0.25);
}

TEST_F(TrainerTest, RanksCheckpointsByTheirValidationIfThereAreNoRollouts) {
  const auto agent = testing::make_tiny_agent();
  CheckpointStore store(folder_, 1);
  TrainerParts validated = parts(*agent, &store);
  validated.validation = [](std::int64_t step) {
    return std::map<std::string, double>{{"action_error", step == 20 ? 0.1 : 0.3}};
  };
  options_.validate_every = 10;
  options_.save_every = 10;
  Trainer(validated, options_).run();
  EXPECT_EQ(std::filesystem::read_symlink(folder_ / "best"), "step_00000020");
  EXPECT_EQ(read_checkpoint_state(folder_ / "latest").validation.at("action_error"), 0.3);
}

TEST_F(TrainerTest, SavesTheAgentsMetadataWithItsWeights) {
  class DescribedAgent : public testing::TinyAgent {
   public:
    using TinyAgent::TinyAgent;
    std::map<std::string, std::string> metadata() const override { return {{"made.for", "this"}}; }
  };
  const SeededConstruction guard(0);
  DescribedAgent agent(testing::tiny_spec());
  agent.set_statistics({.state = Statistics::of(at::eye(3)), .action = Statistics::of(at::eye(2))});
  CheckpointStore store(folder_, 10);
  Trainer(parts(agent, &store), options_).run();
  EXPECT_EQ(read_safetensors(*store.latest() / "model.safetensors").metadata.at("made.for"),
            "this");
}

TEST_F(TrainerTest, NamesTheStepWhoseLossIsNotFiniteAndDoesNotSaveIt) {
  CheckpointStore store(folder_, 10);
  const auto agent = testing::make_tiny_agent();
  agent->return_nan_at_call(11);
  options_.log_every = 1000;  // so that saving the checkpoint detects it
  Trainer trainer(parts(*agent, &store), options_);
  try {
    trainer.run();
    FAIL() << "went on";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("training step 12: the loss or its gradient is not"));
    EXPECT_THAT(error.what(), HasSubstr("step_00000010"));
  }
  EXPECT_EQ(store.latest()->filename(), "step_00000010");
}

TEST_F(TrainerTest, RollsOutWithTheAveragedWeightsAndTrainsWithItsOwn) {
  CheckpointStore store(folder_, 10);
  const auto agent = testing::make_tiny_agent();
  TrainerParts with_rollouts = parts(*agent, &store);
  Trainer* trainer = nullptr;
  std::vector<std::int64_t> steps;
  at::Tensor seen;
  with_rollouts.rollouts = [&](std::int64_t step) {
    steps.push_back(step);
    agent->eval();  // not restored, as in a careless evaluation
    seen = agent->named_parameters()["first.weight"].detach().clone();
    EXPECT_TRUE(at::equal(seen, trainer->ema()->state().at("first.weight")));
    return std::map<std::string, double>{{"success_rate", step == 20 ? 0.75 : 0.5}};
  };
  options_.rollout_every = 20;
  Trainer made(with_rollouts, options_);
  trainer = &made;
  made.run();
  EXPECT_THAT(steps, ::testing::ElementsAre(20, 30));  // every 20, and at the end
  EXPECT_TRUE(agent->is_training());
  EXPECT_FALSE(at::equal(seen, agent->named_parameters()["first.weight"]));
  EXPECT_EQ(fs::read_symlink(folder_ / "best"), "step_00000020");
  EXPECT_DOUBLE_EQ(read_checkpoint_state(folder_ / "best").rollouts.at("success_rate"), 0.75);
}

TEST_F(TrainerTest, RunsTheMissingRolloutsOfAResumedCheckpoint) {
  CheckpointStore store(folder_, 10);
  options_.max_steps = 20;
  options_.rollout_every = 20;
  const auto first = testing::make_tiny_agent();
  TrainerParts interrupted = parts(*first, &store);
  bool stop = false;
  interrupted.should_stop = [&] { return stop; };
  interrupted.rollouts = [&](std::int64_t) -> std::map<std::string, double> {
    stop = true;  // Ctrl-C
    throw Interrupted("the evaluation was interrupted");
  };
  EXPECT_EQ(Trainer(interrupted, options_).run(), TrainEnd::kInterrupted);

  const auto second = testing::make_tiny_agent();
  TrainerParts resumed = parts(*second, &store);
  int rollouts = 0;
  resumed.rollouts = [&](std::int64_t step) {
    EXPECT_EQ(step, 20);
    ++rollouts;
    return std::map<std::string, double>{{"success_rate", 1.0}};
  };
  Trainer trainer(resumed, options_);
  trainer.resume(read_checkpoint(*store.latest()));
  EXPECT_EQ(trainer.run(), TrainEnd::kFinished);
  EXPECT_EQ(rollouts, 1);
}

TEST_F(TrainerTest, ReportsAFailureThatComesAfterAStopRequest) {
  options_.max_steps = 20;
  options_.rollout_every = options_.validate_every = 20;
  for (const bool validates : {true, false}) {
    const auto agent = testing::make_tiny_agent();
    TrainerParts failing = parts(*agent, nullptr);
    bool stop = false;
    failing.should_stop = [&] { return stop; };
    const auto fail = [&](std::int64_t) -> std::map<std::string, double> {
      stop = true;  // Ctrl-C
      throw Error("the disk is full");
    };
    (validates ? failing.validation : failing.rollouts) = fail;
    EXPECT_EQ(error_text([&] { Trainer(failing, options_).run(); }), "the disk is full");
  }
}

TEST_F(TrainerTest, RepeatsTheInterruptedValidationOfAResumedCheckpoint) {
  CheckpointStore store(folder_, 10);
  options_.max_steps = 20;
  const auto first = testing::make_tiny_agent();
  TrainerParts interrupted = parts(*first, &store);
  bool stop = false;
  interrupted.should_stop = [&] { return stop; };
  interrupted.validation = [&](std::int64_t) -> std::map<std::string, double> {
    stop = true;  // Ctrl-C
    throw Interrupted("the validation was interrupted");
  };
  EXPECT_EQ(Trainer(interrupted, options_).run(), TrainEnd::kInterrupted);
  EXPECT_TRUE(read_checkpoint_state(folder_ / "latest").validation.empty());

  int validations = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {  // the second one finds nothing to do
    const auto agent = testing::make_tiny_agent();
    TrainerParts resumed = parts(*agent, &store);
    resumed.validation = [&](std::int64_t step) {
      EXPECT_EQ(step, 20);
      ++validations;
      return std::map<std::string, double>{{"action_error", 0.25}};
    };
    Trainer trainer(resumed, options_);
    trainer.resume(read_checkpoint(*store.latest()));
    EXPECT_EQ(trainer.run(), TrainEnd::kFinished);
    EXPECT_EQ(read_checkpoint_state(folder_ / "latest").validation.at("action_error"), 0.25);
  }
  EXPECT_EQ(validations, 1);
}

TEST_F(TrainerTest, WritesTheSameLinesWhereverItIsStopped) {
  options_.save_every = 1000;
  const auto whole = testing::make_tiny_agent();
  Recorder expected;
  TrainerParts all = parts(*whole);
  all.tracker = &expected;
  Trainer(all, options_).run();

  CheckpointStore store(folder_, 10);
  Recorder found;
  for (const std::int64_t stop_at : {3, 4, 12, 30}) {
    const auto agent = testing::make_tiny_agent();
    TrainerParts part = parts(*agent, &store);
    part.tracker = &found;
    const Trainer* running = nullptr;
    part.should_stop = [&] { return running->step() == stop_at; };
    Trainer trainer(part, options_);
    running = &trainer;
    if (stop_at > 3) trainer.resume(*store.read_latest());
    trainer.run();
  }
  ASSERT_EQ(found.lines.size(), expected.lines.size());
  for (auto& [step, line] : expected.lines) {
    for (const char* timing : {"train/data_ms", "train/steps_per_second"}) {
      EXPECT_GE(found.lines[step][timing], 0.0);
      line.erase(timing);
      found.lines[step].erase(timing);
    }
    EXPECT_EQ(found.lines[step], line) << "step " << step;
  }
}

TEST_F(TrainerTest, NamesAnAgentWhoseLossDropsTheGradients) {
  class CarelessAgent : public testing::TinyAgent {
   public:
    using TinyAgent::TinyAgent;
    LossReport loss(const Batch& batch, at::Generator& generator) override {
      if (call_++ == careless_call_) zero_grad();
      return TinyAgent::loss(batch, generator);
    }
    std::int64_t careless_call_ = 0, call_ = 0;
  };
  for (const std::int64_t call : {0, 7}) {
    const SeededConstruction guard(0);
    CarelessAgent agent(testing::tiny_spec());
    agent.careless_call_ = call;
    agent.set_statistics(
        {.state = Statistics::of(at::eye(3)), .action = Statistics::of(at::eye(2))});
    Trainer trainer(parts(agent), options_);
    const std::string text = error_text([&] { trainer.run(); });
    EXPECT_THAT(text, HasSubstr("CarelessAgent, first.weight: the gradient left the trainer's "
                                "buffer and would have no effect; do not call zero_grad()"));
    EXPECT_EQ(trainer.step(), call == 0 ? 1 : 10);  // the first step, or the next line
  }
}

TEST_F(TrainerTest, StopsBetweenStepsWhenAskedAndSaves) {
  CheckpointStore store(folder_, 10);
  const auto agent = testing::make_tiny_agent();
  TrainerParts stopped = parts(*agent, &store);
  int asked = 0;
  stopped.should_stop = [&] { return ++asked > 7; };
  Trainer trainer(stopped, options_);
  EXPECT_EQ(trainer.run(), TrainEnd::kInterrupted);
  EXPECT_EQ(store.latest()->filename(), "step_00000007");
}

TEST_F(TrainerTest, LeavesFrozenParametersAlone) {
  const auto agent = testing::make_tiny_agent();
  const at::Tensor before = agent->named_parameters()["frozen.weight"].clone();
  Trainer(parts(*agent), options_).run();
  EXPECT_TRUE(at::equal(agent->named_parameters()["frozen.weight"], before));
  EXPECT_FALSE(agent->named_parameters()["frozen.weight"].grad().defined());
}

}  // namespace
}  // namespace roboimi
