// Comparison with tests/golden/diffusion_head.py: torch's decoder layers and diffusers' schedulers.
#include "tests/plugins/diffusion_head/golden.h"

#include "roboimi/common/random.h"

namespace roboimi::diffusion_head {
namespace {

constexpr double kTolerance = 1e-11;

LossReport golden_objective(DenoisingHead& head, const std::string& times,
                            at::ScalarType dtype = at::kDouble) {
  const at::Tensor drawn = golden("data." + times);
  return head.objective(golden("data.actions").to(dtype), golden("data.cond").to(dtype),
                        golden("data.is_pad"),
                        {.noise = golden("data.noise").to(dtype),
                         .times = drawn.is_floating_point() ? drawn.to(dtype) : drawn});
}

// Checks every gradient in the golden file for `name`, and returns their number.
int expect_gradients(DenoisingHead& head, const std::string& name, double tolerance) {
  int count = 0;
  for (auto& parameter : head.network()->named_parameters()) {
    const std::string key = "grad." + name + "." + parameter.key();
    if (!golden_file().tensors.contains(key)) continue;
    ++count;
    EXPECT_TRUE(parameter.value().grad().defined()) << key;
    EXPECT_LT(distance(parameter.value().grad(), golden(key)), tolerance) << key;
  }
  return count;
}

TEST(Transformer, OutputMatchesTorchsDecoderUnderBothMemoryMasks) {
  for (const MemoryMask mask : {MemoryMask::kCausal, MemoryMask::kFull}) {
    const std::string name = mask == MemoryMask::kCausal ? "causal" : "full";
    Transformer network(golden_network(mask), kGoldenSpec);
    network->to(at::kDouble);
    set_golden_parameters(*network);
    const at::Tensor times = golden("data.step").to(at::kDouble);
    const at::Tensor y = network(golden("data.noise"), times, golden("data.cond"), nullptr);
    EXPECT_LT(distance(y.detach(), golden("output." + name)), kTolerance) << name;
  }
  EXPECT_GT(distance(golden("output.causal"), golden("output.full")), 1e-3);
}

TEST(Transformer, ActionsDoNotSeeLaterActionsOrObservations) {
  Transformer network(golden_network(), kGoldenSpec);
  network->to(at::kDouble);
  set_golden_parameters(*network);
  at::NoGradGuard no_grad;
  at::Tensor z = golden("data.noise"), cond = golden("data.cond");
  const at::Tensor times = golden("data.step").to(at::kDouble);
  const at::Tensor before = network(z, times, cond, nullptr);
  z.slice(1, 1).add_(1.0);
  cond.slice(1, 1).add_(1.0);
  const at::Tensor after = network(z, times, cond, nullptr);
  EXPECT_LT(distance(after.narrow(1, 0, 1), before.narrow(1, 0, 1)), 1e-13);
  EXPECT_GT(distance(after.narrow(1, 1, 1), before.narrow(1, 1, 1)), 1e-3);
}

TEST(DiffusionHead, LossAndAllGradientsMatchTheReference) {
  auto head = golden_diffusion();
  const LossReport report = golden_objective(*head, "step");
  EXPECT_LT(distance(report.loss.detach(), golden("loss.epsilon")), kTolerance);
  report.loss.backward();
  EXPECT_EQ(expect_gradients(*head, "epsilon", 1e-10), int(head->parameters().size()));
}

TEST(DiffusionHead, SamplePredictionAndTheFullMaskMatchTheReference) {
  auto sample = golden_diffusion({.prediction = Prediction::kSample});
  auto full = golden_diffusion({.network = golden_network(MemoryMask::kFull)});
  for (const auto& [name, head] : {std::pair("sample", sample), std::pair("full", full)}) {
    const LossReport report = golden_objective(*head, "step");
    EXPECT_LT(distance(report.loss.detach(), golden(c10::str("loss.", name))), kTolerance) << name;
    report.loss.backward();
    EXPECT_EQ(expect_gradients(*head, name, 1e-10), 4) << name;
  }
}

TEST(FlowMatchingHead, LossAndAllGradientsMatchTheReference) {
  auto head = golden_flow();
  const LossReport report = golden_objective(*head, "t");
  EXPECT_LT(distance(report.loss.detach(), golden("loss.flow")), kTolerance);
  report.loss.backward();
  EXPECT_EQ(expect_gradients(*head, "flow", 1e-10), int(head->parameters().size()));
}

TEST(DiffusionHead, SinglePrecisionMatchesTheReference) {
  auto head = golden_diffusion({}, at::kFloat);
  const LossReport report = golden_objective(*head, "step", at::kFloat);
  EXPECT_LT(distance(report.loss.detach(), golden("loss.epsilon")), 1e-5);
  report.loss.backward();
  EXPECT_EQ(expect_gradients(*head, "epsilon", 2e-4), int(head->parameters().size()));
}

// Sampling uses the Denoiser, whose code is separate from the network's forward pass.
void expect_samples(at::ScalarType dtype, double tolerance) {
  const at::Tensor noise = golden("data.noise").to(dtype), cond = golden("data.cond").to(dtype);
  const auto sampled = [&](DenoisingHead& head) {
    at::Generator generator = make_generator(7);
    return head.denoise(noise, cond, generator);
  };
  // In single precision DDPM draws float32 noise, which differs from the reference's.
  if (dtype == at::kDouble) {
    auto ddpm = golden_diffusion({.num_inference_steps = 6}, dtype);
    EXPECT_LT(distance(sampled(*ddpm), golden("sample.ddpm")), tolerance);
  }
  auto ddim = golden_diffusion({.num_inference_steps = 5, .sampler = Sampler::kDdim}, dtype);
  EXPECT_LT(distance(sampled(*ddim), golden("sample.ddim")), tolerance);
  auto flow = golden_flow({.num_inference_steps = 3}, dtype);
  EXPECT_LT(distance(sampled(*flow), golden("sample.flow")), tolerance);
}

TEST(DenoisingHead, SamplesMatchTheReference) { expect_samples(at::kDouble, 1e-10); }

TEST(DenoisingHead, SamplesInSinglePrecisionMatchTheReference) { expect_samples(at::kFloat, 1e-4); }

}  // namespace
}  // namespace roboimi::diffusion_head
