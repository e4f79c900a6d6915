// LEWM's frozen Vision Transformer: all cameras joined into one image, one 192-d feature a step.
//
//   LewmVitOptions options{.checkpoint = "lewm.ckpt"};
//   LEWMViTBackbone backbone(options, spec);                 // spec has front, top and r_vis
//   at::Tensor features = backbone.encode(images, generator);  // [B, T, 192]
//
// The weights never change: train() keeps evaluation mode, requires_grad stays false, encode() runs
// without gradients and on a prepacked copy (modules/vit/vit_inference.h), which is made anew when
// the registered parameters or buffers were written, as a checkpoint's loading does.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "modules/view_fusion/view_fusion.h"
#include "modules/vit/vit.h"
#include "modules/vit/vit_inference.h"
#include "plugins/lewm_vit_backbone/load_lewm.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/io/checkpoint_file.h"

namespace roboimi::lewm_vit_backbone {

// For errors about LewmVitOptions::precision.
inline constexpr const char* kPrecision = "agent.backbone.precision";

struct LewmVitOptions {
  std::optional<std::filesystem::path> checkpoint;
  bool random_init = false;  // must be said when there is no checkpoint; leaves one unread
  std::vector<std::string> camera_names = {"front", "top", "r_vis"};  // the order of joining
  view_fusion::FusionOptions fusion;
  at::ScalarType precision = at::kFloat;  // kFloat or kBFloat16
  // Checked against the checkpoint where given; LewmArchitecture's values for random_init.
  std::optional<std::int64_t> hidden_size, num_layers, num_heads, intermediate_size, patch_size,
      image_size, projector_hidden;
  std::string state_dict = {};  // which weights in the checkpoint; empty: those that are there
};

class LEWMViTBackbone : public Backbone {
 public:
  // Reads options.checkpoint. Error: no checkpoint and no random_init, a camera that `spec` lacks,
  // cameras of different sizes, weights that do not fit strictly, an architecture or fusion
  // other than the file says.
  LEWMViTBackbone(LewmVitOptions options, const ObservationSpec& spec);
  // With weights that are already read; null for random ones.
  LEWMViTBackbone(LewmVitOptions options, const ObservationSpec& spec, const CheckpointFile* file,
                  const std::string& source);
  ~LEWMViTBackbone() override;

  const std::vector<std::string>& camera_names() const override { return options_.camera_names; }
  std::int64_t output_dim() const override { return architecture_.output_dim; }
  std::optional<std::int64_t> joint_output_dim() const override { return output_dim(); }
  bool frozen() const override { return true; }
  at::Tensor encode(const Observation& images, at::Generator& generator) override;

  // Keeps evaluation mode, whatever is asked.
  void train(bool on = true) override;

  const LewmArchitecture& architecture() const { return architecture_; }
  vit::VitEncoder encoder{nullptr};
  vit::MlpProjector projector{nullptr};

 private:
  void build(const CheckpointFile* file, const std::string& source);
  void freeze();

  LewmVitOptions options_;
  LewmArchitecture architecture_;
  std::unique_ptr<vit::VitInference> inference_;
};

Schema schema();
std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec);

}  // namespace roboimi::lewm_vit_backbone
