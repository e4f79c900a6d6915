// The YAML side of LewmWorldModel.
#include "modules/view_fusion/fusion_settings.h"
#include "plugins/lewm_world_model/lewm_world_model.h"

namespace roboimi::lewm_world_model {
namespace {

void add_network_options(Schema& s) {
  s.integer("hidden_size", 192, "width of the encoder and of the embeddings").at_least(1);
  s.integer("num_layers", 12, "blocks of the encoder").at_least(1);
  s.integer("num_heads", 3, "attention heads of the encoder").at_least(1);
  s.integer("intermediate_size", 768, "width of the encoder's MLPs").at_least(1);
  s.integer("patch_size", 14, "side of the encoder's patches").at_least(1).with_unit("pixels");
  s.integer("projector_hidden", 2048, "width of projector and pred_proj").at_least(1);
  s.integer("predictor_depth", 6, "blocks of the predictor").at_least(1);
  s.integer("predictor_heads", 16, "attention heads of the predictor").at_least(1);
  s.integer("predictor_head_dim", 64, "width of each of them").at_least(1);
  s.integer("predictor_mlp_dim", 2048, "width of the predictor's MLPs").at_least(1);
  s.number("dropout", 0.1, "of the predictor's attention and MLPs").range(0.0, 0.99);
}

}  // namespace

Schema schema() {
  Schema s;
  s.optional_path("checkpoint", "weights of all parts to start from, as lewm_vit_backbone's");
  s.optional_text("state_dict", "which weights, where the checkpoint holds several: ema_model");
  s.integer("history", 3, "frames that a prediction looks back to").range(1, 1024);
  s.integer("frameskip", 5, "rows, and so actions, from one frame to the next")
      .range(1, 1024)
      .with_unit("steps");
  view_fusion::add_fusion_options(s);
  add_network_options(s);
  s.number("sigreg_weight", 0.09, "weight of SIGReg in the loss").at_least(0.0);
  s.integer("sigreg_projections", 1024, "directions that SIGReg draws for each batch").at_least(1);
  s.integer("sigreg_knots", 17, "points of SIGReg's integral over [0, 3]").range(2, 1024);
  return s;
}

std::shared_ptr<Agent> create(const Options& options, const ObservationSpec& spec,
                              Registry& /*registry*/) {
  WorldModelOptions made{.history = options.integer("history"),
                         .frameskip = options.integer("frameskip"),
                         .camera_names = options.texts("camera_names"),
                         .fusion = view_fusion::fusion_options_from(options),
                         .vit = {.hidden_size = options.integer("hidden_size"),
                                 .num_layers = options.integer("num_layers"),
                                 .num_heads = options.integer("num_heads"),
                                 .intermediate_size = options.integer("intermediate_size"),
                                 .patch_size = options.integer("patch_size")},
                         .projector_hidden = options.integer("projector_hidden"),
                         .predictor = {.depth = options.integer("predictor_depth"),
                                       .heads = options.integer("predictor_heads"),
                                       .head_dim = options.integer("predictor_head_dim"),
                                       .mlp_dim = options.integer("predictor_mlp_dim"),
                                       .dropout = options.number("dropout")},
                         .sigreg_weight = options.number("sigreg_weight"),
                         .sigreg = {.projections = options.integer("sigreg_projections"),
                                    .knots = options.integer("sigreg_knots")}};
  if (options.has("checkpoint")) made.checkpoint = options.text("checkpoint");
  if (options.has("state_dict")) made.state_dict = options.text("state_dict");
  return std::make_shared<LewmWorldModel>(made, spec);
}

}  // namespace roboimi::lewm_world_model
