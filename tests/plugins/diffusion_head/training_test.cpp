#include <ATen/Parallel.h>
#include <torch/optim/adam.h>

#include "roboimi/common/random.h"
#include "tests/device_traffic.h"
#include "tests/plugins/diffusion_head/golden.h"

namespace roboimi::diffusion_head {
namespace {

const HeadSpec kSpec{.action_dim = 2, .pred_horizon = 4, .obs_horizon = 2, .per_step_cond_dim = 3};

TransformerOptions small_network(double dropout = 0.0) {
  return {.n_emb = 32, .n_layer = 2, .n_head = 4, .p_drop_emb = dropout, .p_drop_attn = dropout};
}

struct Sample {
  at::Tensor actions, cond, is_pad;
};

Sample small_batch(std::int64_t size) {
  at::Generator generator = make_generator(11);
  const at::Tensor cond = at::randn({size, 2, 3}, generator);
  return {.actions = 0.9 * at::tanh(at::randn({size, 4, 2}, generator)),
          .cond = cond,
          .is_pad = at::zeros({size, 4}, at::kBool)};
}

// Trains on one batch and returns the mean distance between the batch and its samples after `steps`
// updates. Expects the loss to fall below `share` of its first value.
double memorize(DenoisingHead& head, int steps, double share) {
  at::set_num_threads(1);  // too small for several threads
  const Sample batch = small_batch(2);
  torch::optim::Adam optimizer(head.parameters(), torch::optim::AdamOptions(3e-3));
  at::Generator generator = make_generator(1);
  // Repeats the conditions, so that every step sees many times and noises.
  const at::Tensor actions = batch.actions.repeat({32, 1, 1}), cond = batch.cond.repeat({32, 1, 1});
  const at::Tensor is_pad = batch.is_pad.repeat({32, 1});
  double first = 0.0, last = 0.0;
  for (int step = 0; step < steps; ++step) {
    // A tenth of the learning rate in the last steps averages out the noise of single draws.
    if (step == steps * 3 / 4) {
      static_cast<torch::optim::AdamOptions&>(optimizer.param_groups()[0].options()).lr(3e-4);
    }
    optimizer.zero_grad();
    const at::Tensor loss = head.loss(actions, cond, is_pad, generator).loss;
    loss.backward();
    optimizer.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  EXPECT_LT(last, share * first);
  return (head.sample(batch.cond, generator) - batch.actions).abs().mean().item<double>();
}

std::string traffic_of_a_step(DenoisingHead& head) {
  const Sample batch = small_batch(4);
  at::Generator generator = make_generator(1);
  return device_traffic_of(
      [&] { head.loss(batch.actions, batch.cond, batch.is_pad, generator).loss.backward(); });
}

TEST(DenoisingHead, TrainsWithoutHostDeviceTransfers) {
  const SeededConstruction seeded(3);
  DiffusionHead diffusion({.network = small_network(0.1)}, kSpec);
  FlowMatchingHead flow({.network = small_network(0.1)}, kSpec);
  EXPECT_EQ(traffic_of_a_step(diffusion), "");
  EXPECT_EQ(traffic_of_a_step(flow), "");
}

TEST(DiffusionHead, MemorizesOneBatchAndSamplesIt) {
  for (const Prediction prediction : {Prediction::kEpsilon, Prediction::kSample}) {
    const SeededConstruction seeded(3);
    DiffusionHead head({.network = small_network(), .prediction = prediction}, kSpec);
    EXPECT_LT(memorize(head, 500, 0.3), 0.1) << int(prediction);
  }
}

TEST(FlowMatchingHead, MemorizesOneBatchAndSamplesIt) {
  const SeededConstruction seeded(3);
  FlowMatchingHead head({.network = small_network()}, kSpec);
  EXPECT_LT(memorize(head, 500, 0.3), 0.1);
}

TEST(DenoisingHead, PaddedActionsDoNotCount) {
  auto head = golden_diffusion({.prediction = Prediction::kSample});
  const at::Tensor actions = golden("data.actions"), is_pad = golden("data.is_pad");
  // The network's input is noisy actions, of which almost nothing is left at the last timestep.
  const Draw draw{.noise = golden("data.noise"), .times = at::full({4}, 99, at::kLong)};
  const auto loss = [&](const at::Tensor& target, const at::Tensor& padding) {
    return head->objective(target, golden("data.cond"), padding, draw).loss.item<double>();
  };
  const at::Tensor changed = actions + 10.0 * is_pad.to(at::kDouble).unsqueeze(-1);
  EXPECT_NEAR(loss(actions, is_pad), loss(changed, is_pad), 1e-2);
  EXPECT_GT(loss(changed, at::zeros_like(is_pad)), 20.0);
  EXPECT_EQ(loss(actions, at::ones_like(is_pad)), 0.0);
}

TEST(DenoisingHead, PaddingStopsTheGradientOfItsOutputs) {
  // All of sample 0 is padding, so its noise must not change any gradient.
  auto head = golden_flow();
  at::Tensor is_pad = golden("data.is_pad");
  is_pad[0] = true;
  const auto gradient = [&](double noise_of_first) {
    head->zero_grad();
    Draw draw{.noise = golden("data.noise"), .times = golden("data.t")};
    draw.noise[0] = noise_of_first;
    head->objective(golden("data.actions"), golden("data.cond"), is_pad, draw).loss.backward();
    return head->network()->input_emb->weight.grad().clone();
  };
  EXPECT_LT(distance(gradient(0.0), gradient(1.0)), 1e-15);
}

TEST(DenoisingHead, AppliesDropoutOnlyInTraining) {
  const Sample batch = small_batch(4);
  const auto losses = [&](double dropout) {
    const SeededConstruction seeded(3);
    DiffusionHead head({.network = small_network(dropout)}, kSpec);
    const auto loss = [&] {
      at::Generator generator = make_generator(2);
      return head.loss(batch.actions, batch.cond, batch.is_pad, generator).loss.item<double>();
    };
    const double training = loss();
    head.eval();
    return std::pair(training, loss());
  };
  const auto [dropped, kept] = losses(0.5);
  const auto [undropped, same] = losses(0.0);
  EXPECT_NE(dropped, kept);
  EXPECT_EQ(kept, undropped);
  EXPECT_EQ(kept, same);
}

TEST(Draw, GivesUniformStepsAndLogitNormalOrUniformTimes) {
  const at::Tensor actions = at::empty({20000, 4, 2});
  at::Generator generator = make_generator(4);
  DiffusionHead diffusion({.network = small_network()}, kSpec);
  const at::Tensor steps = diffusion.draw(actions, generator).times;
  EXPECT_EQ(steps.min().item<std::int64_t>(), 0);
  EXPECT_EQ(steps.max().item<std::int64_t>(), 99);
  EXPECT_NEAR(steps.to(at::kDouble).mean().item<double>(), 49.5, 1.0);

  FlowMatchingHead flow({.network = small_network()}, kSpec);
  const at::Tensor logit = flow.draw(actions, generator).times.logit();
  EXPECT_NEAR(logit.mean().item<double>(), -0.4, 0.03);
  EXPECT_NEAR(logit.std().item<double>(), 1.0, 0.03);

  FlowMatchingHead uniform(
      {.network = small_network(), .time_distribution = TimeDistribution::kUniform}, kSpec);
  const Draw random = uniform.draw(actions, generator);
  EXPECT_NEAR(random.times.mean().item<double>(), 0.5, 0.01);
  EXPECT_NEAR(random.times.std().item<double>(), 0.2887, 0.01);
  EXPECT_EQ(random.noise.sizes(), actions.sizes());
  EXPECT_NEAR(random.noise.std().item<double>(), 1.0, 0.01);
}

}  // namespace
}  // namespace roboimi::diffusion_head
