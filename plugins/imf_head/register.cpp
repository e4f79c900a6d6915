#include "plugins/imf_head/imf_head.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("imf_head", "1.0.0", "Improved MeanFlow over an attention-residual transformer") {
  registrar.head({.name = "imf_head",
                  .description = "one-step action chunks: improved MeanFlow, attention residuals",
                  .schema = roboimi::imf_head::schema(),
                  .create = roboimi::imf_head::create});
}
