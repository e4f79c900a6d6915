#include "plugins/torchscript_backbone/torchscript_backbone.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/log.h"
#include "roboimi/common/random.h"
#include "roboimi/common/text.h"
#include "roboimi/contract/normalize_channels.h"
#include "roboimi/io/checkpoint_file.h"

namespace roboimi::torchscript_backbone {
namespace {

constexpr const char* kName = "torchscript_backbone";
// Number of frames passed to the program at once; bounds the memory of its activations.
constexpr std::int64_t kFrames = 32;

const char* const kEvalFirst = "call model.eval() before torch.jit.trace, and export it again";

// A string as a uint8 tensor, and back.
at::Tensor bytes_of(std::string text) {
  const auto size = static_cast<std::int64_t>(text.size());
  return at::from_blob(text.data(), {size}, at::kByte).clone();
}

std::string text_of(const at::Tensor& bytes) {
  const at::Tensor local = bytes.to(at::kCPU, at::kByte).contiguous();
  return {static_cast<const char*>(local.const_data_ptr()),
          static_cast<std::size_t>(local.numel())};
}

[[noreturn]] void fail_joint_sizes(const std::string& sizes) {
  throw Error({.what = "cameras of different sizes do not fit into one tensor",
               .where = kName,
               .expected = "one size, since mode: joint passes [N, cameras, 3, H, W] to the module",
               .found = sizes,
               .next = "set resize_height and resize_width"});
}

}  // namespace

TorchScriptBackbone::TorchScriptBackbone(TorchScriptOptions options, const ObservationSpec& spec)
    : options_(std::move(options)), file_(RunFiles::find(options_.file)) {
  if (options_.camera_names.empty()) options_.camera_names = spec.camera_names();
  check_camera_names(options_.camera_names, spec, kName);
  module_ = register_module("module", std::make_shared<ScriptedModule>(file_, options_.output));
  file_sha256_ = sha256_file(file_);
  file_digest_ = register_buffer("file_digest", bytes_of(file_sha256_));
  compared_version_ = static_cast<std::int64_t>(file_digest_._version());
  train(true);
  probe(spec);
}

TorchScriptBackbone::~TorchScriptBackbone() = default;

std::optional<std::int64_t> TorchScriptBackbone::joint_output_dim() const {
  return options_.mode == Mode::kJoint ? std::optional(output_dim_) : std::nullopt;
}

std::string TorchScriptBackbone::cache_identity() const {
  const ImageSize size = options_.resize.value_or(ImageSize{});
  return fmt::format("torchscript 1: {} {} {}x{} mean {} std {} output {} token {}", file_sha256_,
                     options_.mode == Mode::kJoint ? "joint" : "per_camera", size.height,
                     size.width, fmt::join(options_.mean, " "), fmt::join(options_.std, " "),
                     options_.output.entry.value_or(""), static_cast<int>(options_.output.token));
}

// Runs the module on one frame and on two, which detects a batch size that tracing has fixed.
void TorchScriptBackbone::probe(const ObservationSpec& spec) {
  const SeededConstruction guard(0);
  const at::Tensor generator = at::detail::getDefaultCPUGenerator().get_state();
  const std::string state = module_->state_digest();
  const at::AutoGradMode grad(!options_.frozen);
  at::Tensor feature;
  for (const std::int64_t frames : {1, 2}) {
    std::vector<at::Tensor> views;
    for (const std::string& camera : options_.camera_names) {
      const ImageSize size = spec.image_size(camera);
      views.push_back(at::zeros({frames, size.height, size.width, 3}, at::kByte));
    }
    feature = features_of(views);
  }

  // The module must be deterministic and must not change its buffers.
  if (!generator.equal(at::detail::getDefaultCPUGenerator().get_state())) {
    throw Error({.what = "the module draws random numbers in evaluation mode (dropout?)",
                 .where = file_.string(),
                 .expected = "the same feature for the same image",
                 .next = kEvalFirst});
  }
  if (state != module_->state_digest()) {
    throw Error({.what = "the module changes its buffers in evaluation mode (BatchNorm?)",
                 .where = file_.string(),
                 .expected = "a feature that depends only on the image",
                 .next = kEvalFirst});
  }

  // Gradients, and values that are not finite.
  check_learns(feature);
  if (count_not_finite(feature) > 0) {
    logger().warn("{}: {} gives NaN or infinite features for a black image", kName, file_.string());
  }
  logger().info("{}: {} gives features of size {}", kName, file_.string(), output_dim_);
}

void TorchScriptBackbone::check_learns(const at::Tensor& feature) const {
  if (options_.frozen || feature.requires_grad()) return;
  throw Error({.what = "frozen: false, but no gradient reaches a parameter of the module",
               .where = file_.string(),
               .expected = "parameters exported with requires_grad, and a differentiable forward()",
               .found = fmt::format("{} parameters", parameters().size()),
               .next = "set frozen: true, or export the module without torch.jit.freeze, no_grad "
                       "and detach"});
}

// Loading a checkpoint overwrites the digest. A difference is an error and not a warning, because
// another program might accept the weights and give features that the policy was not trained on.
void TorchScriptBackbone::check_same_file() {
  const auto version = static_cast<std::int64_t>(file_digest_._version());
  if (version == compared_version_) return;
  const std::string trained_with = text_of(file_digest_);
  if (trained_with != file_sha256_) {
    throw Error({.what = "not the encoder that the policy was trained with",
                 .where = file_.string(),
                 .expected = "a file with sha256 " + printable(trained_with, 64),
                 .found = file_sha256_,
                 .next = "set agent.backbone.file to that file: a checkpoint holds the encoder's "
                         "weights but not its program"});
  }
  compared_version_ = version;
}

void TorchScriptBackbone::freeze() {
  for (at::Tensor& parameter : parameters()) parameter.requires_grad_(false);
}

void TorchScriptBackbone::train(bool on) {
  Backbone::train(on && !options_.frozen);
  if (options_.frozen) freeze();
}

// uint8 [N, H, W, 3] -> float [N, 3, h, w]
at::Tensor TorchScriptBackbone::prepare(const at::Tensor& frames) const {
  at::Tensor pixels = frames.permute({0, 3, 1, 2}).to(at::kFloat).div(255.0);
  if (options_.resize) {
    const ImageSize size = *options_.resize;
    pixels = at::_upsample_bilinear2d_aa(pixels, {size.height, size.width}, false);
  }
  pixels = pixels.contiguous();
  normalize_channels_(pixels, options_.mean, options_.std);
  return pixels;
}

at::Tensor TorchScriptBackbone::run(const at::Tensor& pixels) {
  const at::Tensor feature = module_->forward(pixels);
  const std::int64_t expected =
      output_dim_ > 0 ? output_dim_ : options_.output_dim.value_or(feature.size(1));
  if (feature.size(1) != expected) {
    throw Error(
        {.what = "the module's feature has the wrong size",
         .where = file_.string(),
         .expected = fmt::format("{} ({})", expected,
                                 output_dim_ > 0 ? "as for earlier images" : "output_dim"),
         .found = fmt::format("{} for pixels {}", feature.size(1), c10::str(pixels.sizes())),
         .next = output_dim_ > 0 ? "set resize_height and resize_width: the size of the "
                                   "feature depends on that of the image"
                                 : "leave output_dim out, or set file to the right file"});
  }
  if (output_dim_ == 0) output_dim_ = expected;
  return feature;
}

at::Tensor TorchScriptBackbone::features_of(const std::vector<at::Tensor>& views) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& view : views) {
    const at::Tensor pixels = prepare(view);
    parts.push_back(options_.mode == Mode::kJoint ? pixels : run(pixels));
  }
  if (options_.mode == Mode::kPerCamera) return at::cat(parts, 1);

  // Joint mode: all cameras must have the same size.
  std::vector<std::string> sizes;
  bool equal = true;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    equal = equal && parts[i].sizes() == parts[0].sizes();
    sizes.push_back(
        fmt::format("{} {}x{}", options_.camera_names[i], parts[i].size(2), parts[i].size(3)));
  }
  if (!equal) fail_joint_sizes(fmt::format("{}", fmt::join(sizes, ", ")));
  return run(at::stack(parts, 1));
}

at::Tensor TorchScriptBackbone::encode(const Observation& images, at::Generator& /*generator*/) {
  const at::AutoGradMode grad(!options_.frozen && at::GradMode::is_enabled());
  if (options_.frozen) freeze();
  check_same_file();

  // Encodes the frames in chunks.
  std::vector<at::Tensor> views = ordered_images(images);
  const std::int64_t batch = views[0].size(0), steps = views[0].size(1);
  for (at::Tensor& view : views) view = view.flatten(0, 1);
  std::vector<at::Tensor> features;
  for (std::int64_t start = 0; start < batch * steps; start += kFrames) {
    std::vector<at::Tensor> chunk;
    for (const at::Tensor& view : views) chunk.push_back(view.slice(0, start, start + kFrames));
    features.push_back(features_of(chunk));
  }
  if (features.empty()) {
    return at::empty({batch, steps, feature_dim()}, views[0].options().dtype(at::kFloat));
  }
  return at::cat(features).view({batch, steps, feature_dim()});
}

}  // namespace roboimi::torchscript_backbone
