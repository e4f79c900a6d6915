#include "plugins/diffusion_head/noise_schedule.h"

#include "tests/plugins/diffusion_head/golden.h"

namespace roboimi::diffusion_head {
namespace {

TEST(NoiseSchedule, MatchesTheSquaredCosineOfTheReference) {
  const NoiseSchedule schedule = squared_cosine(100);
  const at::Tensor betas = at::tensor(schedule.betas, at::kDouble);
  const at::Tensor kept = at::tensor(schedule.alphas_cumprod, at::kDouble);
  EXPECT_LT(distance(betas, golden("schedule.betas")), 1e-7);
  EXPECT_LT(distance(kept, golden("schedule.alphas_cumprod")), 1e-6);
}

TEST(ReverseSteps, AreSpacedUpwardFromZero) {
  std::vector<std::int64_t> timesteps;
  for (const ReverseStep& step : reverse_steps(squared_cosine(100), {.num_steps = 7})) {
    timesteps.push_back(step.timestep);
  }
  EXPECT_EQ(timesteps, (std::vector<std::int64_t>{84, 70, 56, 42, 28, 14, 0}));
  EXPECT_EQ(reverse_steps(squared_cosine(100), {}).front().timestep, 99);
}

TEST(ReverseSteps, MatchTheReferenceStepByStep) {
  const at::Tensor outputs = golden("chain.outputs"), noises = golden("chain.noises");
  for (const Sampler sampler : {Sampler::kDdpm, Sampler::kDdim}) {
    for (const Prediction prediction : {Prediction::kEpsilon, Prediction::kSample}) {
      for (const bool clip : {true, false}) {
        const std::string name =
            c10::str("chain.", sampler == Sampler::kDdpm ? "ddpm" : "ddim", ".",
                     prediction == Prediction::kEpsilon ? "epsilon" : "sample", ".",
                     clip ? "clipped" : "free");
        const at::Tensor states = golden(name);
        const auto steps = reverse_steps(
            squared_cosine(100), {.sampler = sampler, .prediction = prediction, .num_steps = 7});
        at::Tensor x = golden("chain.start");
        for (std::int64_t i = 0; i < 7; ++i) {
          x = advance(steps[std::size_t(i)], x, outputs[i], noises[i], clip);
          // Without clipping, predicted actions reach the thousands.
          const double size = std::max(1.0, states[i].abs().max().item<double>());
          EXPECT_LT(distance(x, states[i]) / size, 1e-11) << name << " step " << i;
        }
      }
    }
  }
}

TEST(ReverseSteps, AddNoNoiseInDdimOrInTheLastStep) {
  for (const ReverseStep& step :
       reverse_steps(squared_cosine(50), {.sampler = Sampler::kDdim, .num_steps = 10})) {
    EXPECT_EQ(step.noise, 0.0);
  }
  const auto steps = reverse_steps(squared_cosine(50), {.num_steps = 10});
  EXPECT_GT(steps.front().noise, 0.1);
  EXPECT_EQ(steps.back().noise, 0.0);
}

TEST(Advance, DoesNotChangeItsArguments) {
  const at::Tensor x = golden("chain.start"), output = golden("chain.outputs")[0];
  const at::Tensor noise = golden("chain.noises")[0];
  for (const Prediction prediction : {Prediction::kEpsilon, Prediction::kSample}) {
    advance(reverse_steps(squared_cosine(100), {.prediction = prediction}).front(), x, output,
            noise, true);
  }
  EXPECT_TRUE(x.equal(golden("chain.start")));
  EXPECT_TRUE(output.equal(golden("chain.outputs")[0]));
  EXPECT_TRUE(noise.equal(golden("chain.noises")[0]));
}

}  // namespace
}  // namespace roboimi::diffusion_head
