// Config options of LewmWorldModel.
#include "modules/view_fusion/fusion_settings.h"
#include "plugins/lewm_world_model/lewm_world_model.h"
#include "roboimi/config/declare.h"

namespace roboimi::lewm_world_model {
namespace {

void declare_networks(OptionFields& fields, WorldModelOptions& o) {
  fields.integer("hidden_size", o.vit.hidden_size, "width of the encoder and of the embeddings")
      .at_least(1);
  fields.integer("num_layers", o.vit.num_layers, "number of blocks of the encoder").at_least(1);
  fields.integer("num_heads", o.vit.num_heads, "number of attention heads of the encoder")
      .at_least(1);
  fields.integer("intermediate_size", o.vit.intermediate_size, "width of the encoder's MLPs")
      .at_least(1);
  fields.integer("patch_size", o.vit.patch_size, "side of the encoder's patches")
      .at_least(1)
      .with_unit("pixels");
  fields.integer("projector_hidden", o.projector_hidden, "width of projector and pred_proj")
      .at_least(1);
  fields.integer("predictor_depth", o.predictor.depth, "number of blocks of the predictor")
      .at_least(1);
  fields.integer("predictor_heads", o.predictor.heads, "number of attention heads of the predictor")
      .at_least(1);
  fields.integer("predictor_head_dim", o.predictor.head_dim, "width of each predictor head")
      .at_least(1);
  fields.integer("predictor_mlp_dim", o.predictor.mlp_dim, "width of the predictor's MLPs")
      .at_least(1);
  fields.number("dropout", o.predictor.dropout, "dropout in the predictor's attention and MLPs")
      .range(0.0, 0.99);
}

}  // namespace

static void declare(OptionFields& fields, WorldModelOptions& o) {
  fields.path("checkpoint", o.checkpoint,
              "file of initial weights of all networks, in the formats of lewm_vit_backbone");
  fields.optional_text("state_dict", o.state_dict,
                       "which weights to use if the checkpoint holds several, such as ema_model");
  fields.integer("history", o.history, "frames that a prediction is based on").range(1, 1024);
  fields.integer("frameskip", o.frameskip, "rows, and thus actions, from one frame to the next")
      .range(1, 1024)
      .with_unit("steps");
  view_fusion::declare_fusion(fields, o.camera_names, o.fusion);
  declare_networks(fields, o);
  fields.number("sigreg_weight", o.sigreg_weight, "weight of SIGReg in the loss").at_least(0.0);
  fields
      .integer("sigreg_projections", o.sigreg.projections,
               "random directions that SIGReg draws per batch")
      .at_least(1);
  fields.integer("sigreg_knots", o.sigreg.knots, "sample points of SIGReg's integral over [0, 3]")
      .range(2, 1024);
}

Schema schema() { return schema_of<WorldModelOptions>(); }

std::shared_ptr<Agent> create(const Options& options, const ObservationSpec& spec,
                              Registry& /*registry*/) {
  return std::make_shared<LewmWorldModel>(options_from<WorldModelOptions>(options), spec);
}

}  // namespace roboimi::lewm_world_model
