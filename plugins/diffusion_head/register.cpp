#include "plugins/diffusion_head/diffusion_head.h"
#include "plugins/diffusion_head/flow_matching_head.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("diffusion_head", "1.0.0", "Diffusion and flow-matching heads (Diffusion Policy)") {
  registrar.add<roboimi::Head>(
      {.name = "diffusion_head",
       .description = "action chunks by diffusion: DDPM training, DDPM or DDIM sampling",
       .schema = roboimi::diffusion_head::diffusion_schema(),
       .create = roboimi::diffusion_head::create_diffusion,
       .check = {.options = "{n_emb: 32, n_layer: 2, n_head: 2, num_train_timesteps: 20}"}});
  registrar.add<roboimi::Head>(
      {.name = "flow_matching_head",
       .description = "action chunks by flow matching: Euler steps along a learned velocity",
       .schema = roboimi::diffusion_head::flow_matching_schema(),
       .create = roboimi::diffusion_head::create_flow_matching,
       .check = {.options = "{n_emb: 32, n_layer: 2, n_head: 2}"}});
}
