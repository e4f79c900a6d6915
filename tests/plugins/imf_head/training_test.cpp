#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include "roboimi/common/random.h"
#include "tests/device_traffic.h"
#include "tests/plugins/imf_head/golden.h"

namespace roboimi::imf_head {
namespace {

const HeadSpec kSpec{.action_dim = 2, .pred_horizon = 4, .obs_horizon = 2, .per_step_cond_dim = 3};

std::shared_ptr<ImfHead> small_head(ImfOptions options = {}) {
  options.n_emb = 32;
  options.n_layer = 2;
  options.n_head = options.n_kv_head = 4;
  const SeededConstruction seeded(3);
  return std::make_shared<ImfHead>(options, kSpec);
}

struct Sample {
  at::Tensor actions, cond, is_pad;
};

Sample small_batch(std::int64_t size) {
  at::Generator generator = make_generator(11);
  const at::Tensor cond = at::randn({size, 2, 3}, generator);
  return {.actions = at::tanh(at::randn({size, 4, 2}, generator)),
          .cond = cond,
          .is_pad = at::zeros({size, 4}, at::kBool)};
}

TEST(ImfHead, OverfitsOneBatchAndSamplesIt) {
  at::set_num_threads(1);  // too small for several threads
  auto head = small_head();
  const Sample batch = small_batch(2);
  torch::optim::Adam optimizer(head->parameters(), torch::optim::AdamOptions(5e-3));
  at::Generator generator = make_generator(1);
  // Repeats the conditions, so that every step sees many times and noises.
  const at::Tensor actions = batch.actions.repeat({16, 1, 1}), cond = batch.cond.repeat({16, 1, 1});
  const at::Tensor is_pad = batch.is_pad.repeat({16, 1});
  double first = 0.0, last = 0.0;
  for (int step = 0; step < 400; ++step) {
    // A tenth of the learning rate in the last steps averages out the noise of single draws.
    if (step == 300) {
      static_cast<torch::optim::AdamOptions&>(optimizer.param_groups()[0].options()).lr(5e-4);
    }
    optimizer.zero_grad();
    const LossReport report = head->loss(actions, cond, is_pad, generator);
    report.loss.backward();
    optimizer.step();
    (step == 0 ? first : last) = report.loss.item<double>();
  }
  EXPECT_LT(last, 0.3 * first);
  const at::Tensor sampled = head->sample(batch.cond, generator);
  EXPECT_LT((sampled - batch.actions).abs().mean().item<double>(), 0.15);
}

TEST(ImfHead, TrainsWithoutHostDeviceTransfers) {
  // With several sublayers per source, the network uses ATen's operators.
  for (const std::int64_t sublayers : {1, 2}) {
    for (const LossKind loss : {LossKind::kPseudoHuber, LossKind::kAdaptiveL2}) {
      auto head = small_head({.dropout = 0.1,
                              .loss = loss,
                              .latent = Latent::kDct,
                              .sublayers_per_source = sublayers});
      const Sample batch = small_batch(4);
      at::Generator generator = make_generator(1);
      const auto step = [&] {
        head->loss(batch.actions, batch.cond, batch.is_pad, generator).loss.backward();
      };
      EXPECT_EQ(device_traffic_of(step), "") << sublayers;
    }
  }
}

TEST(ImfHead, PaddedActionsDoNotCountInAnyLoss) {
  for (const LossKind kind : {LossKind::kPseudoHuber, LossKind::kMse, LossKind::kAdaptiveL2}) {
    const at::Tensor difference = golden("data.actions");
    const at::Tensor valid = golden("data.is_pad").logical_not().to(at::kDouble).unsqueeze(-1);
    const at::Tensor changed = difference + 1e3 * (1.0 - valid);
    EXPECT_EQ(reduce_loss(kind, difference, valid).item<double>(),
              reduce_loss(kind, changed, valid).item<double>());
    EXPECT_EQ(reduce_loss(kind, difference, at::zeros_like(valid)).item<double>(), 0.0);
  }
}

TEST(ImfHead, PaddingStopsTheGradientOfItsOutputs) {
  // All of sample 0 is padding, so its noise must not change any gradient.
  auto head = golden_head();
  at::Tensor is_pad = golden("data.is_pad");
  is_pad[0] = true;
  const auto input_gradient = [&](const at::Tensor& noise_of_first) {
    head->zero_grad();
    Draw draw = golden_draw();
    draw.noise[0] = noise_of_first;
    head->objective(golden("data.actions"), golden("data.cond"), is_pad, draw).loss.backward();
    return head->named_parameters()["input_emb.weight"].grad().clone();
  };
  EXPECT_LT(distance(input_gradient(at::zeros({4, 3}, at::kDouble)),
                     input_gradient(at::ones({4, 3}, at::kDouble))),
            1e-15);
}

TEST(ImfHead, DependsOnlyOnItsGeneratorNotOnTheDefaultOne) {
  auto head = small_head({.dropout = 0.1});
  const Sample batch = small_batch(6);
  const at::Tensor before = at::detail::getDefaultCPUGenerator().get_state();
  const auto run = [&](std::uint64_t seed) {
    at::Generator generator = make_generator(seed);
    const double loss =
        head->loss(batch.actions, batch.cond, batch.is_pad, generator).loss.item<double>();
    return std::pair(loss, head->sample(batch.cond, generator));
  };
  const auto [loss, actions] = run(5);
  const auto [same_loss, same_actions] = run(5);
  const auto [other_loss, other_actions] = run(6);
  EXPECT_EQ(loss, same_loss);
  EXPECT_TRUE(at::equal(actions, same_actions));
  EXPECT_NE(loss, other_loss);
  EXPECT_FALSE(at::equal(actions, other_actions));
  EXPECT_TRUE(at::equal(before, at::detail::getDefaultCPUGenerator().get_state()));
}

TEST(ImfHead, AppliesDropoutOnlyInTraining) {
  auto head = small_head({.dropout = 0.5});
  const Sample batch = small_batch(4);
  const auto loss = [&] {
    at::Generator generator = make_generator(2);
    return head->loss(batch.actions, batch.cond, batch.is_pad, generator).loss.item<double>();
  };
  const double dropped = loss();
  head->eval();
  const double kept = loss();
  auto without = small_head();
  at::Generator generator = make_generator(2);
  EXPECT_NE(dropped, kept);
  EXPECT_EQ(kept,
            without->loss(batch.actions, batch.cond, batch.is_pad, generator).loss.item<double>());
}

TEST(Draw, GivesEqualTimesToTheFirstHalfAndOrderedTimesToTheRest) {
  at::Generator generator = make_generator(4);
  const Draw random = draw(at::empty({4000, 2, 1}), 0.0, generator);
  EXPECT_EQ(random.num_equal, 2000);
  EXPECT_TRUE(at::equal(random.r.narrow(0, 0, 2000), random.t.narrow(0, 0, 2000)));
  EXPECT_TRUE((random.r.narrow(0, 2000, 2000) < random.t.narrow(0, 2000, 2000)).all().item<bool>());
  // Mean and standard deviation of the logit of one logit-normal(-0.4, 1) draw.
  const at::Tensor logit = at::logit(random.t.narrow(0, 0, 2000));
  EXPECT_NEAR(logit.mean().item<double>(), -0.4, 0.08);
  EXPECT_NEAR(logit.std().item<double>(), 1.0, 0.08);
  // The expected larger of two normals is 1 / sqrt(pi) above their mean.
  const at::Tensor larger = at::logit(random.t.narrow(0, 2000, 2000));
  EXPECT_NEAR(larger.mean().item<double>(), -0.4 + 0.5642, 0.08);
}

TEST(Draw, GivesAShareOfTheRestTheOneStepInterval) {
  at::Generator generator = make_generator(4), same = make_generator(4);
  const Draw random = draw(at::empty({9, 2, 1}), 0.4, generator);
  const Draw without = draw(at::empty({9, 2, 1}), 0.0, same);
  ASSERT_EQ(random.num_equal, 4);
  EXPECT_TRUE(at::equal(random.r.narrow(0, 4, 2), at::zeros({2})));
  EXPECT_TRUE(at::equal(random.t.narrow(0, 4, 2), at::ones({2})));
  for (const std::int64_t i : {0, 3, 6, 8}) {
    EXPECT_EQ(random.r[i].item<float>(), without.r[i].item<float>()) << i;
    EXPECT_EQ(random.t[i].item<float>(), without.t[i].item<float>()) << i;
  }
  EXPECT_TRUE(
      draw(at::empty({4, 2, 1}), 1.0, generator).t.narrow(0, 2, 2).eq(1.0).all().item<bool>());
}

}  // namespace
}  // namespace roboimi::imf_head
