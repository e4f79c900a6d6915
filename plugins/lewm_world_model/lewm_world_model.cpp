#include "plugins/lewm_world_model/lewm_world_model.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include "modules/view_fusion/fusion_settings.h"
#include "modules/vit/vit_inference.h"
#include "plugins/lewm_world_model/load_checkpoint.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/communicator.h"
#include "roboimi/contract/weights_follow.h"

namespace roboimi::lewm_world_model {
namespace {

constexpr const char* kName = "lewm_world_model";

void check_sizes(const vit::VitOptions& vit, const ImageSize& image) {
  if (vit.hidden_size % vit.num_heads != 0) {
    throw Error({.what = "num_heads does not divide hidden_size",
                 .where = kName,
                 .expected = fmt::format("a divisor of {}", vit.hidden_size),
                 .found = std::to_string(vit.num_heads)});
  }
  if (image.height >= vit.patch_size && image.width >= vit.patch_size) return;
  throw Error({.what = "the fused image is smaller than one patch",
               .where = kName,
               .expected = fmt::format("at least {0}x{0}", vit.patch_size),
               .found = fmt::format("{}x{}", image.height, image.width)});
}

}  // namespace

LewmWorldModel::LewmWorldModel(const WorldModelOptions& options, const ObservationSpec& spec)
    : options_(options), spec_(spec), sigreg_(options.sigreg) {
  // One window is a clip of history + 1 frames.
  const std::int64_t frames = options_.history + 1;
  horizons_ = {.obs = frames,
               .pred = frames * options_.frameskip,
               .num_action = 1,
               .alignment = Alignment::kFirstObservation,
               .obs_stride = options_.frameskip,
               .whole_windows = true};

  // Sizes that follow from the fused image and the encoder.
  pixels_ =
      std::make_shared<view_fusion::FusedPixels>(options_.camera_names, options_.fusion, spec_);
  const ImageSize image = pixels_->image_size();
  check_sizes(options_.vit, image);
  options_.vit.image_size = std::min(image.height, image.width);
  options_.predictor.width = options_.vit.hidden_size;
  options_.predictor.frames = options_.history;
  build();
  // A checkpoint of the whole agent provides all weights.
  if (options_.checkpoint && !WeightsFollow::active()) {
    load_checkpoint(*this, *options_.checkpoint, options_.state_dict);
  }
}

LewmWorldModel::~LewmWorldModel() = default;

void LewmWorldModel::build() {
  const std::int64_t width = options_.vit.hidden_size;
  encoder = register_module("encoder", vit::VitEncoder(options_.vit));
  predictor = register_module("predictor", lewm::Predictor(options_.predictor));
  action_encoder = register_module(
      "action_encoder", lewm::ActionEncoder(options_.frameskip * spec_.action_dim, width));
  projector =
      register_module("projector", vit::MlpProjector(width, options_.projector_hidden, width));
  pred_proj =
      register_module("pred_proj", vit::MlpProjector(width, options_.projector_hidden, width));
  action_normalizer_ = register_module(
      "action_normalizer",
      std::make_shared<Normalizer>("action", spec_.action_dim, Normalization::kMeanStd));
}

void LewmWorldModel::set_statistics(const DatasetStatistics& statistics) {
  action_normalizer_->fit(statistics.action);
}

bool LewmWorldModel::has_statistics() const { return action_normalizer_->fitted(); }

// Reading the flag synchronizes with a GPU, so a positive result is cached.
void LewmWorldModel::require_statistics() {
  if (statistics_known_) return;
  if (!has_statistics()) {
    throw Error({.what = "the world model has no normalization statistics",
                 .where = kName,
                 .expected = "statistics of actions",
                 .next = "train it, or load a checkpoint that contains them"});
  }
  statistics_known_ = true;
}

at::Tensor LewmWorldModel::images_of(const at::Tensor& features) const {
  const ImageSize image = pixels_->image_size();
  ROBOIMI_CHECK(features.dim() == 2 && features.size(1) == pixels_->output_dim(),
                c10::str(features.sizes(), " of images ", image.height, "x", image.width));
  return features.to(encoder->embeddings->cls_token.scalar_type())
      .view({-1, 3, image.height, image.width});
}

at::Tensor LewmWorldModel::embed(const at::Tensor& features) {
  return projector->forward(encoder->forward(images_of(features)));
}

LossReport LewmWorldModel::objective(const at::Tensor& features, const at::Tensor& actions,
                                     const at::Tensor& directions, at::Generator& generator) {
  const std::int64_t batch = features.size(0), frames = horizons_.obs, history = options_.history;
  ROBOIMI_CHECK(
      features.dim() == 3 && features.size(1) == frames && actions.size(1) == horizons_.pred,
      c10::str(features.sizes(), " and ", actions.sizes()));
  const at::Tensor embedded = embed(features.flatten(0, 1)).view({batch, frames, -1});

  // The actions from each frame of the history to the next frame.
  const at::Tensor moves =
      action_normalizer_->normalize(actions).view({batch, frames, -1}).slice(1, 0, history);
  const at::Tensor predicted =
      pred_proj
          ->forward(predictor
                        ->forward(embedded.slice(1, 0, history), action_encoder->forward(moves),
                                  generator)
                        .flatten(0, 1))
          .view({batch, history, -1});

  // The losses are computed in the weights' precision; bf16 would hide small improvements.
  const at::ScalarType wide = encoder->embeddings->cls_token.scalar_type();
  const at::Tensor e = embedded.to(wide);
  const at::Tensor error = (predicted.to(wide) - e.slice(1, 1)).square().mean();
  lewm::SharedBatch shared;
  if (communicator_ != nullptr) {
    shared = {.processes = communicator_->size(),
              .average = [this](const at::Tensor& mean) { return average(mean, *communicator_); }};
  }
  const at::Tensor gaussian = sigreg_.statistic(e, directions, shared);

  // Metrics without gradients.
  const at::Tensor fixed = e.detach();
  return {.loss = error + options_.sigreg_weight * gaussian,
          .metrics = {
              {"prediction_error", error.detach()},
              {"sigreg", gaussian.detach()},
              {"copy_last_error", (fixed.slice(1, 0, history) - fixed.slice(1, 1)).square().mean()},
              {"embedding_std", fixed.std(0, /*unbiased=*/false).mean()}}};
}

LossReport LewmWorldModel::loss(const Batch& batch, at::Generator& generator) {
  require_statistics();
  const at::Tensor features =
      batch.features.defined() ? batch.features : pixels_->encode(batch.observations, generator);
  at::Tensor directions = sigreg_.draw(options_.vit.hidden_size, generator, features.device());
  if (communicator_ != nullptr) communicator_->broadcast(directions, 0);
  return objective(features, batch.actions, directions, generator);
}

at::Tensor LewmWorldModel::represent(const at::Tensor& features) {
  const torch::NoGradGuard no_grad;
  // The weights are packed for each call, since training changes them between calls.
  return vit::VitInference(encoder, projector, at::kFloat).forward(images_of(features));
}

std::map<std::string, std::string> LewmWorldModel::metadata() const {
  return fusion_metadata(options_.fusion, options_.camera_names);
}

}  // namespace roboimi::lewm_world_model
