// The options of TorchScriptBackbone, as a config has them.
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
  options.fail(key, "a channel's number is missing or too many", "3 numbers: red, green, blue");
}

}  // namespace

static void declare(OptionFields& fields, TorchScriptOptions& o) {
  fields.optional_path("file", o.file,
                       "what torch.jit.script or torch.jit.trace saved; runs the program in the "
                       "file: load files that you trust");
  fields.texts("camera_names", o.camera_names, "cameras in order; empty: data.camera_names");
  fields.choice("mode", o.mode, {{Mode::kPerCamera, "per_camera"}, {Mode::kJoint, "joint"}},
                "the module is given one camera, [N, 3, H, W], or all, [N, cameras, 3, H, W]");
  declare_image_size(fields, "resize", o.resize,
                     {.height = "height of a resized frame", .width = "width of a resized frame"});
  fields.numbers("mean", o.mean, "taken from pixels in 0..1; [0, 0, 0] takes nothing");
  fields.numbers("std", o.std, "divides what is left; [1, 1, 1] divides nothing").at_least(1e-6);
  fields.boolean("frozen", o.frozen, "keep the weights; the features can then be cached");
  fields.text("output", o.output.entry,
              "which value is the feature: a dict's key, or a tuple's index");
  fields.choice("token", o.output.token,
                {{Token::kNone, "none"}, {Token::kCls, "cls"}, {Token::kMean, "mean"}},
                "which feature of [N, T, D]: the first token, or the mean of all");
  fields
      .integer("output_dim", o.output_dim,
               "numbers of a feature; found by running the module, checked")
      .at_least(1);
  fields.when_read([](const Options& options) {
    check_three_channels(options, "mean");
    check_three_channels(options, "std");
  });
}

Schema schema() { return schema_of<TorchScriptOptions>(); }

std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec) {
  if (!options.has("file")) {
    options.fail("file", "no encoder is named", "file: what Python exported", kHowToExport);
  }
  return std::make_shared<TorchScriptBackbone>(options_from<TorchScriptOptions>(options), spec);
}

}  // namespace roboimi::torchscript_backbone
