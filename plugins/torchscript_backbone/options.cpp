// Config options of TorchScriptBackbone.
#include <string>
#include <vector>

#include "plugins/torchscript_backbone/archive.h"
#include "plugins/torchscript_backbone/torchscript_backbone.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/declare_image_size.h"

namespace roboimi::torchscript_backbone {
namespace {

void check_three_channels(const Options& options, const char* key) {
  if (options.numbers(key).size() == 3) return;
  options.fail(key, "the number of channels is wrong", "3 values: red, green, blue");
}

}  // namespace

static void declare(OptionFields& fields, TorchScriptOptions& o) {
  fields.optional_path("file", o.file,
                       "file saved by torch.jit.script or torch.jit.trace; its program is run, so "
                       "load only files that you trust");
  fields.texts("camera_names", o.camera_names, "cameras in order; empty: data.camera_names");
  fields.choice("mode", o.mode, {{Mode::kPerCamera, "per_camera"}, {Mode::kJoint, "joint"}},
                "input of the module: one camera [N, 3, H, W], or all [N, cameras, 3, H, W]");
  declare_image_size(fields, "resize", o.resize,
                     {.height = "height of a resized frame", .width = "width of a resized frame"});
  fields.numbers("mean", o.mean, "RGB mean, subtracted from pixels in 0..1");
  fields.numbers("std", o.std, "RGB standard deviation, by which the pixels are then divided")
      .at_least(1e-6);
  fields.boolean("frozen", o.frozen, "do not train the weights; the features can then be cached");
  fields.text("output", o.output.entry,
              "which output of the module is the feature: a dict key, or an index of a tuple");
  fields.choice("token", o.output.token,
                {{Token::kNone, "none"}, {Token::kCls, "cls"}, {Token::kMean, "mean"}},
                "feature from an output [N, T, D]: the first token (cls), or the mean over tokens; "
                "none for an output [N, D]");
  fields
      .integer("output_dim", o.output_dim,
               "size of a feature; default from running the module; checked if given")
      .at_least(1);
  fields.when_read([](const Options& options) {
    check_three_channels(options, "mean");
    check_three_channels(options, "std");
  });
}

Schema schema() { return schema_of<TorchScriptOptions>(); }

std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec) {
  if (!options.has("file")) {
    options.fail("file", "no encoder file", "file: an encoder exported from Python", kHowToExport);
  }
  return std::make_shared<TorchScriptBackbone>(options_from<TorchScriptOptions>(options), spec);
}

}  // namespace roboimi::torchscript_backbone
