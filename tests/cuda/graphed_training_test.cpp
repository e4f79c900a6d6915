// Tests that compare training steps in a CUDA graph with the same steps run eagerly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "tests/cuda/small_training.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using testing::Recorder;
namespace fs = std::filesystem;

using Lines = std::map<std::int64_t, Scalars>;
using MakeAgent = std::function<std::shared_ptr<Agent>()>;

const char* const kImf =
    "{type: vla_agent, obs_horizon: 2, pred_horizon: 8, num_action_steps: 4, "
    "head: {type: imf_head, n_emb: 32, n_layer: 2, n_head: 2, dropout: %s}}";

std::string imf(const char* dropout = "0.0") {
  std::string text = kImf;
  return text.replace(text.find("%s"), 2, dropout);
}

MakeAgent from_plugins(const std::string& yaml, bool with_camera = false) {
  return [=] { return testing::make_plugin_agent(yaml, with_camera); };
}

MakeAgent small_agent(bool reads) {
  return [=] { return std::make_shared<testing::SmallAgent>(reads); };
}

class GraphedTraining : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
    fs::remove_all(folder_);
    options_.max_steps = 30;
    options_.log_every = 1;
    options_.save_every = 1000;
    options_.rollout_every = 0;
    options_.schedule = {.peak = 1e-3, .warmup_steps = 5, .max_steps = 30};
  }
  void TearDown() override { fs::remove_all(folder_); }

  struct Run {
    Lines lines;
    std::shared_ptr<Agent> agent;
    CheckpointState state;  // of the last checkpoint
  };
  using Change = std::function<void(TrainerParts&)>;

  Run train(const MakeAgent& make, CudaGraphUse graph, const Change& change = {}) {
    Run run{.agent = make()};
    Recorder recorder;
    CheckpointStore store(folder_ / std::to_string(++runs_), 10);
    Agent& agent = *run.agent;
    TrainerParts parts{
        .agent = agent,
        .batches = [&agent](std::int64_t n) { return testing::small_batch(agent, n); },
        .checkpoints = &store,
        .tracker = &recorder,
        .seed = 1,
        .device = testing::kCuda};
    if (change) change(parts);
    TrainOptions options = options_;
    options.cuda_graph = graph;
    Trainer(parts, options).run();
    run.lines = recorder.lines;
    run.state = read_checkpoint_state(*store.latest());
    return run;
  }

  // Uses `on` instead of `auto`, so that a step that cannot be recorded fails the test.
  void expect_equal_steps(const MakeAgent& make, double tolerance, const Change& change = {}) {
    const Run eager = train(make, CudaGraphUse::kOff, change);
    const Run graphed = train(make, CudaGraphUse::kOn, change);
    EXPECT_FALSE(eager.state.conditions.cuda_graph);
    EXPECT_TRUE(graphed.state.conditions.cuda_graph);
    expect_equal_lines(graphed.lines, eager.lines, tolerance);
    EXPECT_EQ(graphed.state.ema_step, eager.state.ema_step);
  }

  static void expect_equal_lines(const Lines& found, const Lines& expected, double tolerance) {
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [step, line] : expected) {
      for (const auto& [name, value] : line) {
        if (name == "train/data_ms" || name == "train/steps_per_second") continue;
        EXPECT_NEAR(found.at(step).at(name), value, tolerance * std::abs(value) + 1e-12)
            << name << " of step " << step;
      }
    }
  }

  static double distance(const Agent& a, const Agent& b) {
    double largest = 0.0;
    const auto others = b.named_parameters();
    for (const auto& item : a.named_parameters()) {
      largest = std::max(largest, (item.value() - others[item.key()]).abs().max().item<double>());
    }
    return largest;
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_cuda_test";
  TrainOptions options_;
  int runs_ = 0;
};

TEST_F(GraphedTraining, EqualsEagerStepsOfImf) {
  expect_equal_steps(from_plugins(imf()), 1e-5);
  expect_equal_steps(from_plugins(imf("0.3")), 1e-5);
}

TEST_F(GraphedTraining, EqualsEagerStepsOverAccumulatedBatches) {
  options_.accumulate = 2;
  expect_equal_steps(from_plugins(imf("0.3")), 1e-5);
}

TEST_F(GraphedTraining, EqualsEagerStepsInMixedPrecision) {
  options_.mixed_precision = true;
  expect_equal_steps(from_plugins(imf()), 2e-2);
}

TEST_F(GraphedTraining, EqualsEagerStepsOfOtherAgents) {
  const std::string image_head =
      "head: {type: imf_head, n_emb: 32, n_layer: 1, n_head: 2}, backbone: {type: resnet_backbone, "
      "keypoints: 8, crop_height: 48, crop_width: 64}}";
  expect_equal_steps(small_agent(false), 1e-5);
  expect_equal_steps(from_plugins("{type: vla_agent, head: {type: diffusion_head, n_emb: 32, "
                                  "n_layer: 1, n_head: 2}}"),
                     1e-5);
  expect_equal_steps(from_plugins("{type: vla_agent, action_rotations: ['0:rotation_vector'], "
                                  "state_rotations: ['1:quaternion_xyzw'], head: {type: "
                                  "diffusion_head, n_emb: 32, n_layer: 1, n_head: 2}}"),
                     1e-5);
  // The order in which gradients of convolutions are summed is not deterministic.
  expect_equal_steps(from_plugins("{type: vla_agent, " + image_head, true), 1e-2);
  expect_equal_steps(
      from_plugins("{type: lewm_world_model, camera_names: [front], image_height: 56, image_width: "
                   "84, hidden_size: 48, num_layers: 2, num_heads: 3, intermediate_size: 96, "
                   "projector_hidden: 64, predictor_depth: 2, predictor_heads: 2, "
                   "predictor_head_dim: 16, predictor_mlp_dim: 64, sigreg_projections: 64}",
                   true),
      1e-2);
}

TEST_F(GraphedTraining, ContinuesAfterValidationsWithAnotherBatchSizeAndDtype) {
  options_.validate_every = 7;
  options_.mixed_precision = true;  // not in the validation, whose constants have another dtype
  expect_equal_steps(from_plugins(imf("0.1")), 2e-2, [](TrainerParts& parts) {
    parts.validation = [&agent = parts.agent](std::int64_t step) {
      const torch::NoGradGuard no_grad;
      agent.eval();
      at::Generator generator = make_generator(11, testing::kCuda);
      const Batch batch = testing::small_batch(agent, 1000 + step, 5);
      return std::map<std::string, double>{
          {"loss", agent.loss(batch, generator).loss.item<double>()}};
    };
  });
}

TEST_F(GraphedTraining, ResumesInTheMiddle) {
  options_.save_every = 10;
  const MakeAgent make = from_plugins(imf("0.3"));
  const Run whole = train(make, CudaGraphUse::kOn);

  CheckpointStore store(folder_ / "halves", 10);
  Recorder recorder;
  std::shared_ptr<Agent> agent;
  for (const std::int64_t end : {10, 30}) {
    agent = make();
    TrainOptions part = options_;
    part.cuda_graph = CudaGraphUse::kOn;
    part.max_steps = end;
    Trainer trainer({.agent = *agent,
                     .batches = [&](std::int64_t n) { return testing::small_batch(*agent, n); },
                     .checkpoints = &store,
                     .tracker = &recorder,
                     .seed = 1,
                     .device = testing::kCuda},
                    part);
    if (end == 30) trainer.resume(*store.read_latest());
    trainer.run();
  }
  expect_equal_lines(recorder.lines, whole.lines, 1e-5);
  EXPECT_LT(distance(*agent, *whole.agent), 1e-5);
  EXPECT_EQ(read_checkpoint_state(*store.latest()).ema_step, 30);
}

TEST_F(GraphedTraining, FallsBackIfALossReadsFromTheDevice) {
  const Run eager = train(small_agent(true), CudaGraphUse::kOff);
  const Run fallback = train(small_agent(true), CudaGraphUse::kAuto);
  EXPECT_FALSE(fallback.state.conditions.cuda_graph);
  expect_equal_lines(fallback.lines, eager.lines, 1e-5);
  EXPECT_THAT(error_text([&] { train(small_agent(true), CudaGraphUse::kOn); }),
              HasSubstr("train.cuda_graph: on, training step 4: the training step cannot be "
                        "recorded as a CUDA graph"));
  // A failed recording must not affect the default generator or the next recording.
  EXPECT_TRUE(at::isfinite(at::randn({100}, testing::kCuda).sum()).item<bool>());
  expect_equal_steps(small_agent(false), 1e-5);
}

TEST_F(GraphedTraining, FallsBackIfTheShapeOfABatchChanges) {
  const Change shrink = [](TrainerParts& parts) {
    parts.batches = [&agent = parts.agent](std::int64_t n) {
      return testing::small_batch(agent, n, n == 12 ? 5 : 8);
    };
  };
  const Run eager = train(small_agent(false), CudaGraphUse::kOff, shrink);
  const Run fallback = train(small_agent(false), CudaGraphUse::kAuto, shrink);
  EXPECT_FALSE(fallback.state.conditions.cuda_graph);
  expect_equal_lines(fallback.lines, eager.lines, 1e-5);
}

TEST_F(GraphedTraining, NamesTheStepWhoseLossIsNotFinite) {
  options_.log_every = 100;
  const auto insert_nan = [](TrainerParts& parts) {
    parts.batches = [&agent = parts.agent](std::int64_t n) {
      Batch batch = testing::small_batch(agent, n);
      if (n == 11) batch.actions.fill_(std::numeric_limits<float>::quiet_NaN());
      return batch;
    };
  };
  EXPECT_THAT(error_text([&] { train(small_agent(false), CudaGraphUse::kOn, insert_nan); }),
              HasSubstr("training step 12: the loss or its gradient is not a finite number"));
}

TEST_F(GraphedTraining, RecordsTheUseOfTf32) {
  options_.tf32 = true;
  options_.max_steps = 5;
  EXPECT_EQ(train(small_agent(false), CudaGraphUse::kOn).state.conditions.matmul, "tf32");
  EXPECT_TRUE(at::globalContext().allowTF32CuBLAS());
  options_.tf32 = false;
  EXPECT_EQ(train(small_agent(false), CudaGraphUse::kOn).state.conditions.matmul, "fp32");
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
}

}  // namespace
}  // namespace roboimi
