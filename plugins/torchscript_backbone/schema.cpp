// The options as YAML has them.
#include "plugins/torchscript_backbone/archive.h"
#include "plugins/torchscript_backbone/torchscript_backbone.h"

namespace roboimi::torchscript_backbone {
namespace {

// Two options that only make sense together.
std::optional<ImageSize> resize_of(const Options& options) {
  if (options.has("resize_height") != options.has("resize_width")) {
    const char* given = options.has("resize_height") ? "resize_height" : "resize_width";
    const char* absent = options.has("resize_height") ? "resize_width" : "resize_height";
    options.fail(given, std::string(given) + " is given alone", std::string(absent) + " beside it");
  }
  if (!options.has("resize_height")) return std::nullopt;
  return ImageSize{options.integer("resize_height"), options.integer("resize_width")};
}

const std::vector<double>& three_channels(const Options& options, const char* key) {
  const std::vector<double>& values = options.numbers(key);
  if (values.size() != 3) {
    options.fail(key, "a channel's number is missing or too many", "3 numbers: red, green, blue");
  }
  return values;
}

Token token_from(const std::string& name) {
  if (name == "none") return Token::kNone;
  return name == "cls" ? Token::kCls : Token::kMean;
}

}  // namespace

Schema schema() {
  Schema s;
  s.optional_path("file",
                  "what torch.jit.script or torch.jit.trace saved; runs the program in the file: "
                  "load files that you trust");
  s.texts("camera_names", {}, "cameras in order; empty: data.camera_names");
  s.text("mode", "per_camera",
         "the module is given one camera, [N, 3, H, W], or all, [N, cameras, 3, H, W]")
      .one_of({"per_camera", "joint"});
  s.optional_integer("resize_height", "height of a resized frame").at_least(1).with_unit("pixels");
  s.optional_integer("resize_width", "width of a resized frame").at_least(1).with_unit("pixels");
  const TorchScriptOptions usual;
  s.numbers("mean", usual.mean, "taken from pixels in 0..1; [0, 0, 0] takes nothing");
  s.numbers("std", usual.std, "divides what is left; [1, 1, 1] divides nothing").at_least(1e-6);
  s.boolean("frozen", true, "keep the weights; the features can then be cached");
  s.optional_text("output", "which value is the feature: a dict's key, or a tuple's index");
  s.text("token", "none", "which feature of [N, T, D]: the first token, or the mean of all")
      .one_of({"none", "cls", "mean"});
  s.optional_integer("output_dim", "numbers of a feature; found by running the module, checked")
      .at_least(1);
  return s;
}

std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec) {
  if (!options.has("file")) {
    options.fail("file", "no encoder is named", "file: what Python exported", kHowToExport);
  }
  TorchScriptOptions made{.file = options.text("file"),
                          .camera_names = options.texts("camera_names"),
                          .mode = options.text("mode") == "joint" ? Mode::kJoint : Mode::kPerCamera,
                          .resize = resize_of(options),
                          .mean = three_channels(options, "mean"),
                          .std = three_channels(options, "std"),
                          .frozen = options.boolean("frozen"),
                          .output = {.token = token_from(options.text("token"))}};
  if (options.has("output")) made.output.entry = options.text("output");
  if (options.has("output_dim")) made.output_dim = options.integer("output_dim");
  return std::make_shared<TorchScriptBackbone>(std::move(made), spec);
}

}  // namespace roboimi::torchscript_backbone
