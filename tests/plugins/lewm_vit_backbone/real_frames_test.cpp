// Comparison of bf16 with fp32 on frames of the simulator during an expert episode.
#include <cmath>

#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/plugin/registry.h"
#include "tests/bfloat16.h"
#include "tests/plugins/lewm_vit_backbone/lewm_cases.h"

namespace roboimi::lewm_vit_backbone {
namespace {

constexpr std::int64_t kSteps = 200, kRenderEvery = 10;

// Frames of an episode, [N, 1, H, W, 3] per camera.
Observation expert_frames(Environment& environment) {
  std::map<std::string, std::vector<at::Tensor>> frames;
  Observation observation = environment.reset(/*seed=*/7, /*render=*/true);
  const auto expert = environment.scene()->make_expert(0.0, 0);
  for (std::int64_t step = 1; step < kSteps; ++step) {
    for (const auto& [camera, frame] : observation.images()) frames[camera].push_back(frame);
    const StepResult result = environment.step(expert->act(), step % kRenderEvery == 0);
    observation = result.observation;
    if (result.terminated || result.truncated) break;
  }
  Observation images;
  for (const auto& [camera, all] : frames) images[camera] = at::stack(all).unsqueeze(1);
  return images;
}

// Weights far from their initial values. With initial values the features of different images would
// differ less than those of a trained encoder.
CheckpointFile random_weights(const ObservationSpec& spec) {
  const SeededConstruction seeded(11);
  LEWMViTBackbone made({.random_init = true}, spec);
  const at::NoGradGuard no_grad;
  CheckpointFile file;
  for (const auto& item : made.named_parameters()) {
    at::Tensor value = item.value().clone();
    if (value.dim() == 2) value.normal_(0.0, 1.5 / std::sqrt(double(value.size(1))));
    file.tensors[item.key()] = value;
  }
  for (const auto& item : made.named_buffers()) file.tensors[item.key()] = item.value().clone();
  return file;
}

at::Tensor encode(const Observation& images, const ObservationSpec& spec,
                  const CheckpointFile& file, at::ScalarType precision) {
  LEWMViTBackbone backbone({.precision = precision}, spec, &file, "random");
  at::Generator generator = make_generator(1);
  return backbone.encode(images, generator).select(1, 0);
}

TEST(RealFrames, KeepTheirDirectionInBf16) {
  ROBOIMI_SKIP_WITHOUT_BFLOAT16();
  Registry::instance().load(ROBOIMI_BINARY_DIR "/lib/roboimi/plugins/libmujoco_env.so");
  const auto environment = Registry::instance().create<Environment>(
      parse_yaml("{type: mujoco_env, task: sim_transfer, camera_names: [r_vis, top, front]}",
                 "test"),
      "env");
  const ObservationSpec& spec = environment->spec();
  const Observation images = expert_frames(*environment);
  ASSERT_GE(images.at("front").size(0), 10);
  const CheckpointFile weights = random_weights(spec);
  const at::Tensor full = encode(images, spec, weights, at::kFloat);
  const at::Tensor half = encode(images, spec, weights, at::kBFloat16);
  const Deviation found = compare(half, full);
  print_row("20 frames of the expert", "bf16", found);
  EXPECT_GE(found.cosine, 0.999);
  // Features of different frames differ, so the bound does not hold trivially.
  EXPECT_GT((full - full.mean(0)).norm(2, 1).mean().item<double>(),
            20 * (half - full).norm(2, 1).mean().item<double>());
}

}  // namespace
}  // namespace roboimi::lewm_vit_backbone
