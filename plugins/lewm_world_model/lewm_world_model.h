// LeWorldModel, an agent that pretrains LEWM's encoder (lucas-maes/le-wm, github.com). It embeds
// the frames of a clip and predicts each next embedding from the previous ones and the actions
// between.
//
//   LewmWorldModel model(options, spec);
//   model.set_statistics(statistics);
//   LossReport report = model.loss(batch, generator);         // a clip: 4 frames, 20 actions
//   at::Tensor embeddings = model.represent(pixels);          // [N, 3 * H * W] -> [N, 192]
//
//   e_t = projector(encoder(frame_t))                         t = 0 .. history
//   p_t = pred_proj(predictor(e_0 .. e_t, actions from frame t to frame t + 1))
//   loss = mean((p_t - e_t+1)^2) + sigreg_weight * SIGReg(e)
//
// Gradients reach the encoder through both sides of the prediction; only SIGReg keeps it from
// collapsing. The model does not act. Its modules have the names of the released weights, and
// lewm_vit_backbone loads its checkpoints.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "modules/lewm/action_encoder.h"
#include "modules/lewm/predictor.h"
#include "modules/lewm/sigreg.h"
#include "modules/view_fusion/fused_pixels.h"
#include "modules/vit/vit.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/agent.h"

namespace roboimi {
class Registry;
}

namespace roboimi::lewm_world_model {

struct WorldModelOptions {
  std::optional<std::filesystem::path> checkpoint;  // initial weights
  std::string state_dict = {};                      // which weights in it; empty: the only ones
  std::int64_t history = 3;                         // frames that a prediction is based on
  std::int64_t frameskip = 5;                       // rows, and actions, from frame to frame
  std::vector<std::string> camera_names = {"front", "top", "r_vis"};  // the order of joining
  view_fusion::FusionOptions fusion;
  vit::VitOptions vit;  // image_size follows the fused image: its shorter side
  std::int64_t projector_hidden = 2048;
  lewm::PredictorOptions predictor;  // width and frames follow the encoder and the history
  double sigreg_weight = 0.09;
  lewm::SigRegOptions sigreg;
};

class LewmWorldModel : public Agent {
 public:
  // Throws Error if `spec` lacks a camera, cameras have different sizes, the image is smaller than
  // a patch, the number of heads does not divide the width, or the checkpoint does not fit.
  LewmWorldModel(const WorldModelOptions& options, const ObservationSpec& spec);
  ~LewmWorldModel() override;

  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return horizons_; }
  Backbone* backbone() const override { return pixels_.get(); }

  void set_statistics(const DatasetStatistics& statistics) override;
  bool has_statistics() const override;
  // Metrics: prediction_error and sigreg, the terms of the loss; copy_last_error, the error of
  // predicting "no change"; embedding_std, the mean standard deviation over the batch (0:
  // collapse).
  LossReport loss(const Batch& batch, at::Generator& generator) override;
  // SIGReg then covers the whole batch, along the same directions in all processes.
  void share_batches(Communicator& communicator) override { communicator_ = &communicator; }
  // All parameters decay: the released weights were trained by AdamW without parameter groups.
  bool decays(const std::string&, const at::Tensor&) const override { return true; }
  at::Tensor represent(const at::Tensor& features) override;
  // The encoder's preprocessing, under the keys that lewm_vit_backbone checks.
  std::map<std::string, std::string> metadata() const override;

  // loss() along given SIGReg directions. features [B, history + 1, 3 H W]; actions [B, H, A] as
  // recorded; directions [D, P].
  LossReport objective(const at::Tensor& features, const at::Tensor& actions,
                       const at::Tensor& directions, at::Generator& generator);
  // Pixels [N, 3 H W] of any floating type -> embeddings [N, D], differentiable.
  at::Tensor embed(const at::Tensor& features);

  vit::VitEncoder encoder{nullptr};
  lewm::Predictor predictor{nullptr};
  lewm::ActionEncoder action_encoder{nullptr};
  vit::MlpProjector projector{nullptr}, pred_proj{nullptr};

 private:
  void build();
  void require_statistics();
  at::Tensor images_of(const at::Tensor& features) const;  // [N, 3, H, W], the encoder's type

  WorldModelOptions options_;
  ObservationSpec spec_;
  Horizons horizons_;
  std::shared_ptr<view_fusion::FusedPixels> pixels_;
  std::shared_ptr<Normalizer> action_normalizer_;
  lewm::SigReg sigreg_;
  Communicator* communicator_ = nullptr;  // nullptr: the only process
  bool statistics_known_ = false;
};

Schema schema();
std::shared_ptr<Agent> create(const Options& options, const ObservationSpec& spec,
                              Registry& registry);

}  // namespace roboimi::lewm_world_model
