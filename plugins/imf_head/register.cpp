#include "plugins/imf_head/imf_head.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("imf_head", "1.0.0", "Improved MeanFlow over an attention-residual transformer") {
  registrar.add<roboimi::Head>(
      {.name = "imf_head",
       .description = "one-step action chunks: improved MeanFlow, attention residuals",
       .schema = roboimi::imf_head::schema(),
       .create = roboimi::imf_head::create,
       .check = {.options = "{n_emb: 32, n_layer: 2, n_head: 2, num_inference_steps: 2}",
                 .skip = {{"gradient_agrees_with_differences",
                           "the objective stops gradients intentionally"}}}});
}
