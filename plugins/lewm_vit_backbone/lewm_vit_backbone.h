// LEWM's frozen Vision Transformer as a backbone. It joins all cameras into one image and gives one
// 192-d feature per time step.
//
//   LewmVitOptions options{.checkpoint = "lewm.ckpt"};
//   LEWMViTBackbone backbone(options, spec);                 // spec has front, top and r_vis
//   at::Tensor features = backbone.encode(images, generator);  // [B, T, 192]
//
// The weights never change: train() keeps evaluation mode, requires_grad stays false, and encode()
// runs without gradients on a prepacked copy (modules/vit/vit_inference.h). The copy is renewed
// after the registered parameters or buffers have been written, for example by loading a
// checkpoint.
//
// On a GPU, a block of frames is encoded by one CUDA graph (block_encoder.h), and precision bf16 is
// used only if the features of the first frames differ from those in fp32 by at most
// kMostBfloat16Error; otherwise one warning is logged and fp32 is used.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "modules/view_fusion/view_fusion.h"
#include "modules/vit/vit.h"
#include "modules/vit/vit_inference.h"
#include "plugins/lewm_vit_backbone/block_encoder.h"
#include "plugins/lewm_vit_backbone/load_lewm.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/io/checkpoint_file.h"

namespace roboimi::lewm_vit_backbone {

// Config key of LewmVitOptions::precision, for errors.
inline constexpr const char* kPrecision = "agent.backbone.precision";

struct LewmVitOptions {
  std::optional<std::filesystem::path> checkpoint;
  bool random_init = false;  // required if there is no checkpoint; a checkpoint is then ignored
  std::vector<std::string> camera_names = {"front", "top", "r_vis"};  // the order of joining
  view_fusion::FusionOptions fusion;
  at::ScalarType precision = at::kFloat;  // kFloat or kBFloat16
  // If set, checked against the checkpoint. With random_init, the defaults are LewmArchitecture's.
  std::optional<std::int64_t> hidden_size, num_layers, num_heads, intermediate_size, patch_size,
      image_size, projector_hidden;
  std::string state_dict = {};  // which weights in the checkpoint; empty: the only ones
};

class LEWMViTBackbone : public Backbone {
 public:
  // Reads options.checkpoint. Throws Error if there is neither a checkpoint nor random_init, `spec`
  // lacks a camera, cameras have different sizes, weights do not fit strictly, or the architecture
  // or fusion differs from the file's.
  LEWMViTBackbone(LewmVitOptions options, const ObservationSpec& spec);
  // With weights that have already been read; null for random weights.
  LEWMViTBackbone(LewmVitOptions options, const ObservationSpec& spec, const CheckpointFile* file,
                  const std::string& source);
  ~LEWMViTBackbone() override;

  const std::vector<std::string>& camera_names() const override { return options_.camera_names; }
  std::int64_t output_dim() const override { return architecture_.output_dim; }
  std::optional<std::int64_t> joint_output_dim() const override { return output_dim(); }
  bool frozen() const override { return true; }
  at::Tensor encode(const Observation& images, at::Generator& generator) override;

  // Keeps evaluation mode regardless of `on`.
  void train(bool on = true) override;

  const LewmArchitecture& architecture() const { return architecture_; }
  vit::VitEncoder encoder{nullptr};
  vit::MlpProjector projector{nullptr};

 private:
  void build(const CheckpointFile* file, const std::string& source);
  void freeze();
  void pack(const std::vector<at::Tensor>& views);
  at::ScalarType usable_precision(const std::vector<at::Tensor>& views);

  LewmVitOptions options_;
  LewmArchitecture architecture_;
  std::unique_ptr<vit::VitInference> inference_;
  std::unique_ptr<BlockEncoder> blocks_;  // on a GPU, of inference_
};

Schema schema();
std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec);

}  // namespace roboimi::lewm_vit_backbone
