#include <ATen/CPUGeneratorImpl.h>

#include "roboimi/common/random.h"
#include "tests/plugins/diffusion_head/golden.h"

namespace roboimi::diffusion_head {
namespace {

// A float network that is large enough for its weights to be prepacked.
Transformer wide_network(MemoryMask mask, const HeadSpec& spec) {
  const SeededConstruction seeded(5);
  Transformer network(
      TransformerOptions{.n_emb = 64, .n_layer = 3, .n_head = 4, .memory_mask = mask}, spec);
  at::NoGradGuard no_grad;
  for (at::Tensor& parameter : network->parameters())
    parameter.add_(at::randn_like(parameter), 0.1);
  return network;
}

TEST(Denoiser, MatchesTheNetworkAtEveryTimeBatchAndMask) {
  const HeadSpec spec{
      .action_dim = 7, .pred_horizon = 16, .obs_horizon = 3, .per_step_cond_dim = 9};
  const std::vector<double> times = {99.0, 40.0, 0.0};
  at::NoGradGuard no_grad;
  at::Generator generator = make_generator(8);
  for (const MemoryMask mask : {MemoryMask::kCausal, MemoryMask::kFull}) {
    Transformer network = wide_network(mask, spec);
    Denoiser denoiser(network, times);
    for (const std::int64_t batch : {1, 3, 1}) {
      const at::Tensor cond = at::randn({batch, 3, 9}, generator);
      denoiser.observe(cond);
      for (std::int64_t step = 0; step < 3; ++step) {
        const at::Tensor z = at::randn({batch, 16, 7}, generator);
        const at::Tensor time = at::full({batch}, times[std::size_t(step)]);
        const at::Tensor expected = network(z, time.to(at::kFloat), cond, nullptr);
        EXPECT_GT(expected.abs().max().item<double>(), 0.5);
        EXPECT_LT(distance(denoiser.evaluate(z, step), expected), 5e-5);
      }
    }
  }
}

TEST(DenoisingHead, SamplesWithTheCurrentWeights) {
  auto head = golden_flow({.num_inference_steps = 3});
  at::Generator generator = make_generator(1);
  const at::Tensor noise = golden("data.noise"), cond = golden("data.cond");
  const at::Tensor before = head->denoise(noise, cond, generator);
  EXPECT_TRUE(head->denoise(noise, cond, generator).equal(before));
  {
    at::NoGradGuard no_grad;
    for (at::Tensor& parameter : head->parameters()) parameter.mul_(1.5);
  }
  const at::Tensor other = head->denoise(noise, cond, generator);
  EXPECT_GT(distance(other, before), 1e-2);
  set_golden_parameters(*head->network());
  EXPECT_LT(distance(head->denoise(noise, cond, generator), golden("sample.flow")), 1e-10);
}

TEST(DenoisingHead, AChunkDoesNotDependOnTheRestOfTheBatch) {
  auto head = golden_diffusion({.num_inference_steps = 5, .sampler = Sampler::kDdim}, at::kFloat);
  at::Generator generator = make_generator(1);
  const at::Tensor noise = golden("data.noise").to(at::kFloat);
  const at::Tensor cond = golden("data.cond").to(at::kFloat);
  const at::Tensor together = head->denoise(noise, cond, generator);
  const at::Tensor alone = head->denoise(noise.narrow(0, 2, 1), cond.narrow(0, 2, 1), generator);
  EXPECT_LT(distance(alone, together.narrow(0, 2, 1)), 1e-5);
}

TEST(DiffusionHead, ClippedSamplesAreInTheUnitRange) {
  // After the last step a sample is the clipped prediction itself.
  at::Generator generator = make_generator(3);
  const at::Tensor cond = golden("data.cond");
  const at::Tensor clipped = golden_diffusion({.num_inference_steps = 10})->sample(cond, generator);
  EXPECT_LE(clipped.abs().max().item<double>(), 1.0 + 1e-12);
  const at::Tensor free =
      golden_diffusion({.num_inference_steps = 10, .clip_sample = false})->sample(cond, generator);
  EXPECT_GT(free.abs().max().item<double>(), 1.0);
}

TEST(DenoisingHead, DependsOnlyOnItsGeneratorNotOnTheDefaultOne) {
  const auto expect = [](auto head) {
    const at::Tensor actions = golden("data.actions"), cond = golden("data.cond");
    const at::Tensor before = at::detail::getDefaultCPUGenerator().get_state();
    const auto run = [&](std::uint64_t seed) {
      at::Generator generator = make_generator(seed);
      const at::Tensor loss = head->loss(actions, cond, golden("data.is_pad"), generator).loss;
      return std::pair(loss.template item<double>(), head->sample(cond, generator));
    };
    const auto [loss, sampled] = run(5);
    const auto [same_loss, same_sampled] = run(5);
    const auto [other_loss, other_sampled] = run(6);
    EXPECT_EQ(loss, same_loss);
    EXPECT_TRUE(sampled.equal(same_sampled));
    EXPECT_NE(loss, other_loss);
    EXPECT_FALSE(sampled.equal(other_sampled));
    EXPECT_TRUE(before.equal(at::detail::getDefaultCPUGenerator().get_state()));
  };
  TransformerOptions dropping = golden_network();
  dropping.p_drop_emb = dropping.p_drop_attn = 0.1;
  auto diffusion =
      std::make_shared<DiffusionHead>(DiffusionOptions{.network = dropping}, kGoldenSpec);
  auto flow =
      std::make_shared<FlowMatchingHead>(FlowMatchingOptions{.network = dropping}, kGoldenSpec);
  diffusion->to(at::kDouble);
  flow->to(at::kDouble);
  expect(diffusion);
  expect(flow);
}

}  // namespace
}  // namespace roboimi::diffusion_head
