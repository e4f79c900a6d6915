// Golden tensors from tests/golden/lewm_world_model.py, and models of the golden sizes.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/utils.h>

#include <memory>
#include <string>

#include "plugins/lewm_world_model/lewm_world_model.h"
#include "roboimi/common/random.h"
#include "roboimi/io/safetensors.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi::lewm_world_model {

constexpr std::int64_t kGoldenImage = 8, kGoldenWidth = 12, kGoldenSkip = 2;

inline const TensorFile& golden_file() {
  static const TensorFile file =
      read_safetensors(ROBOIMI_SOURCE_DIR "/tests/golden/lewm_world_model.safetensors");
  return file;
}

inline at::Tensor golden(const std::string& name) { return golden_file().tensors.at(name).clone(); }

inline ObservationSpec spec_of(std::int64_t side, std::int64_t action_dim) {
  ObservationSpec spec{.action_dim = action_dim};
  for (const char* camera : {"r_vis", "top", "front"}) spec.set(rgb_stream(camera, {side, side}));
  return spec;
}

inline lewm::PredictorOptions golden_predictor() {
  return {.width = kGoldenWidth,
          .frames = 3,
          .depth = 2,
          .heads = 2,
          .head_dim = 5,
          .mlp_dim = 18,
          .dropout = 0.0};
}

inline WorldModelOptions golden_options() {
  WorldModelOptions options;
  options.frameskip = kGoldenSkip;
  options.fusion.height = kGoldenImage;
  options.fusion.width = kGoldenImage;
  options.vit.hidden_size = kGoldenWidth;
  options.vit.num_layers = 2;
  options.vit.num_heads = 3;
  options.vit.intermediate_size = 20;
  options.vit.patch_size = 4;
  options.projector_hidden = 14;
  options.predictor = golden_predictor();
  return options;
}

// The tensors of the networks, without the statistics of the actions.
inline TensorMap network_of(const LewmWorldModel& model) {
  TensorMap tensors = tensors_of(model);
  std::erase_if(tensors, [](const auto& item) { return item.first.starts_with("action_norm"); });
  return tensors;
}

// Fills every tensor of `module` from "param.<prefix><name>"; none may be missing.
inline void fill_from_golden(torch::nn::Module& module, const std::string& prefix = "") {
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : tensors_of(module)) {
    if (name.starts_with("action_normalizer")) continue;
    tensor.copy_(golden("param." + prefix + name));
  }
}

// A model in `dtype` and training mode, with the golden parameters and statistics.
inline std::shared_ptr<LewmWorldModel> golden_model(
    at::ScalarType dtype = at::kDouble, const WorldModelOptions& options = golden_options()) {
  auto model = std::make_shared<LewmWorldModel>(options, spec_of(kGoldenImage, 3));
  model->to(dtype);
  fill_from_golden(*model);
  const at::Tensor mean = golden("data.mean"), std = golden("data.std");
  DatasetStatistics statistics;
  statistics.action = {.min = mean - 3 * std, .max = mean + 3 * std, .mean = mean, .std = std};
  model->set_statistics(statistics);
  return model;
}

inline Batch golden_batch(at::ScalarType pixels, at::ScalarType actions) {
  Batch batch;
  batch.features = golden("data.pixels").to(pixels);
  batch.actions = golden("data.actions").to(actions);
  return batch;
}

inline LossReport golden_objective(LewmWorldModel& model, at::ScalarType dtype = at::kDouble) {
  at::Generator generator = make_generator(0);
  return model.objective(golden("data.pixels").to(dtype), golden("data.actions").to(dtype),
                         golden("data.directions").to(dtype), generator);
}

// The largest difference, relative to the largest expected value.
inline double distance(const at::Tensor& found, const at::Tensor& expected) {
  EXPECT_EQ(found.sizes(), expected.sizes());
  const at::Tensor wide = expected.detach().to(at::kDouble);
  return ((found.detach().to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

}  // namespace roboimi::lewm_world_model
