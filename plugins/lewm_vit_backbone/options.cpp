// The options of LEWMViTBackbone, as a config has them.
#include <torch/cuda.h>

#include "modules/view_fusion/fusion_settings.h"
#include "plugins/lewm_vit_backbone/lewm_vit_backbone.h"
#include "roboimi/common/bfloat16.h"
#include "roboimi/config/declare.h"

namespace roboimi::lewm_vit_backbone {
namespace {

// Sizes that a checkpoint tells, but for num_heads.
void declare_architecture(OptionFields& fields, LewmVitOptions& o) {
  fields
      .integer("hidden_size", o.hidden_size, "width; read from the checkpoint, 192 for random_init")
      .at_least(1);
  fields.integer("num_layers", o.num_layers, "blocks; read from the checkpoint, 12 for random_init")
      .at_least(1);
  fields.integer("num_heads", o.num_heads, "attention heads; hidden_size / 64 when left out")
      .at_least(1);
  fields
      .integer("intermediate_size", o.intermediate_size,
               "MLP width; read from the checkpoint, 4 hidden_size")
      .at_least(1);
  fields.integer("patch_size", o.patch_size, "read from the checkpoint, 14 for random_init")
      .at_least(1)
      .with_unit("pixels");
  fields.integer("image_size", o.image_size, "trained image size; read from the checkpoint, or 224")
      .at_least(1)
      .with_unit("pixels");
  fields
      .integer("projector_hidden", o.projector_hidden,
               "projector width; read from the checkpoint, or 2048")
      .at_least(1);
}

}  // namespace

static void declare(OptionFields& fields, LewmVitOptions& o) {
  fields.path("checkpoint", o.checkpoint,
              "LEWM weights: Lightning .ckpt, .pt, pickled module, safetensors");
  fields.optional_text("state_dict", o.state_dict,
                       "which weights, where the checkpoint holds several: ema_model");
  fields.boolean("random_init", o.random_init,
                 "random frozen weights; a checkpoint is left unread");
  view_fusion::declare_fusion(fields, o.camera_names, o.fusion);
  fields.choice("precision", o.precision, {{at::kFloat, "fp32"}, {at::kBFloat16, "bf16"}},
                "precision of weights and activations");
  declare_architecture(fields, o);
  fields.when_read([&](const Options&) {
    // With a GPU the device is known only when frames are encoded.
    if (o.precision == at::kBFloat16 && !torch::cuda::is_available()) {
      require_cpu_bfloat16(kPrecision);
    }
  });
}

Schema schema() { return schema_of<LewmVitOptions>(); }

std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec) {
  return std::make_shared<LEWMViTBackbone>(options_from<LewmVitOptions>(options), spec);
}

}  // namespace roboimi::lewm_vit_backbone
