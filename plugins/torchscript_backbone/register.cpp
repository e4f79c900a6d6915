#include "plugins/torchscript_backbone/torchscript_backbone.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("torchscript_backbone", "1.0.0", "Encoders exported from Python with torch.jit") {
  registrar.add<roboimi::Backbone>(
      {.name = "torchscript_backbone",
       .description = "any encoder exported from Python with torch.jit",
       .schema = roboimi::torchscript_backbone::schema(),
       .create = roboimi::torchscript_backbone::create});
}
