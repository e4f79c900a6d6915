// Cases written by tests/reference/lewm_reference.py, and the deviation of a backbone from them.
#pragma once

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "plugins/lewm_vit_backbone/lewm_vit_backbone.h"
#include "roboimi/common/random.h"
#include "roboimi/io/safetensors.h"

namespace roboimi::lewm_vit_backbone {

struct Deviation {
  double error;   // largest absolute error
  double cosine;  // smallest cosine similarity over the batch
};

inline Deviation compare(const at::Tensor& found, const at::Tensor& expected) {
  EXPECT_EQ(found.sizes(), expected.sizes());
  return {(found - expected).abs().max().item<double>(),
          at::cosine_similarity(found, expected, -1).min().item<double>()};
}

// The fusion options of a reference case. `side` is the image size that the encoder was trained
// with.
inline view_fusion::FusionOptions fusion_of(const std::string& name, std::int64_t side) {
  view_fusion::FusionOptions fusion{.height = side, .width = side, .shorter_side = side};
  if (name == "vertical") fusion.layout = view_fusion::FusionLayout::kVertical;
  if (name == "grid") fusion.layout = view_fusion::FusionLayout::kGrid;
  if (name == "nonsquare") fusion.resize = view_fusion::FusionResize::kShorterSide;
  return fusion;
}

struct Case {
  Observation images;  // [N, 1, H, W, 3]
  ObservationSpec spec;
  at::Tensor embedding;  // [N, D]
};

inline Case case_of(const TensorFile& cases, const std::string& name) {
  Case made;
  for (const char* camera : {"r_vis", "front", "top"}) {
    const auto found = cases.tensors.find(name + "." + camera);
    if (found == cases.tensors.end()) continue;
    made.images[camera] = found->second.unsqueeze(1);
    made.spec.set(rgb_stream(camera, {found->second.size(1), found->second.size(2)}));
  }
  made.embedding = cases.tensors.at(name + ".embedding");
  return made;
}

inline CheckpointFile weights_of(const std::filesystem::path& path) {
  return {.layout = "safetensors", .tensors = read_safetensors(path).tensors};
}

// Encodes a case with the weights in `file`, whose encoder was trained on images of `side` pixels.
inline Deviation deviation_of(const CheckpointFile& file, const Case& test, const std::string& name,
                              std::int64_t side, std::int64_t heads, at::ScalarType precision) {
  LewmVitOptions options{
      .fusion = fusion_of(name, side), .precision = precision, .num_heads = heads};
  if (test.images.size() == 1) options.camera_names = {"front"};
  LEWMViTBackbone backbone(options, test.spec, &file, "reference");
  at::Generator generator = make_generator(1);
  return compare(backbone.encode(test.images, generator).select(1, 0), test.embedding);
}

inline void print_row(const std::string& name, const char* dtype, const Deviation& deviation) {
  fmt::print("| {:<28} | {:<4} | {:.2e} | {:.7f} |\n", name, dtype, deviation.error,
             deviation.cosine);
}

}  // namespace roboimi::lewm_vit_backbone
