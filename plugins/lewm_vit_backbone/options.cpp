// Config options of LEWMViTBackbone.
#include <torch/cuda.h>

#include "modules/view_fusion/fusion_settings.h"
#include "plugins/lewm_vit_backbone/lewm_vit_backbone.h"
#include "roboimi/common/bfloat16.h"
#include "roboimi/config/declare.h"

namespace roboimi::lewm_vit_backbone {
namespace {

// Sizes of the model. A checkpoint determines all of them except num_heads.
void declare_architecture(OptionFields& fields, LewmVitOptions& o) {
  fields
      .integer("hidden_size", o.hidden_size,
               "encoder width; default from the checkpoint, 192 with random_init")
      .at_least(1);
  fields
      .integer("num_layers", o.num_layers,
               "number of blocks; default from the checkpoint, 12 with random_init")
      .at_least(1);
  fields.integer("num_heads", o.num_heads, "number of attention heads; default hidden_size / 64")
      .at_least(1);
  fields
      .integer("intermediate_size", o.intermediate_size,
               "MLP width; default from the checkpoint, 4 hidden_size with random_init")
      .at_least(1);
  fields
      .integer("patch_size", o.patch_size,
               "side of a patch; default from the checkpoint, 14 with random_init")
      .at_least(1)
      .with_unit("pixels");
  fields
      .integer("image_size", o.image_size,
               "side of the training images; default from the checkpoint, 224 with random_init")
      .at_least(1)
      .with_unit("pixels");
  fields
      .integer("projector_hidden", o.projector_hidden,
               "projector width; default from the checkpoint, 2048 with random_init")
      .at_least(1);
}

}  // namespace

static void declare(OptionFields& fields, LewmVitOptions& o) {
  fields.path("checkpoint", o.checkpoint,
              "file of LEWM weights: Lightning .ckpt, .pt, pickled module or safetensors");
  fields.optional_text("state_dict", o.state_dict,
                       "which weights to use if the checkpoint holds several, such as ema_model");
  fields.boolean("random_init", o.random_init,
                 "use random frozen weights and ignore the checkpoint");
  view_fusion::declare_fusion(fields, o.camera_names, o.fusion);
  fields.choice("precision", o.precision, {{at::kFloat, "fp32"}, {at::kBFloat16, "bf16"}},
                "precision of weights and activations");
  declare_architecture(fields, o);
  fields.when_read([&](const Options&) {
    // With a GPU, the device is known only when frames are encoded.
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
