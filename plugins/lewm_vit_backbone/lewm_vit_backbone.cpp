#include "plugins/lewm_vit_backbone/lewm_vit_backbone.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "modules/view_fusion/fusion_settings.h"
#include "roboimi/common/bfloat16.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/contract/autocast.h"
#include "roboimi/contract/weights_follow.h"

namespace roboimi::lewm_vit_backbone {
namespace {

constexpr const char* kName = "lewm_vit_backbone";
// Number of frames that are fused and encoded at once; bounds the memory of the fused pixels.
constexpr std::int64_t kFusedFrames = 32;
// Number of frames on which bfloat16 is compared with float32.
constexpr std::int64_t kComparedFrames = 16;

// Removes spaces, brackets and quotes, so that [a, b], "a,b" and ["a","b"] compare equal.
std::string plain(const std::string& text) {
  std::string kept;
  for (const char c : text) {
    if (std::string_view(" []\"'").find(c) == std::string_view::npos) kept += c;
  }
  return kept;
}

// Throws Error if the file's preprocessing metadata differs from the configuration. Metadata that a
// foreign file lacks is logged as unverified.
void check_metadata(const CheckpointFile& file, const std::string& source,
                    const LewmVitOptions& options) {
  const auto configured = fusion_metadata(options.fusion, options.camera_names);
  std::vector<std::string> unverified;
  for (const auto& [key, value] : configured) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) {
      unverified.push_back(key + " " + value);
    } else if (plain(found->second) != plain(value)) {
      const std::string option = key.substr(key.rfind('.') + 1);
      const bool are_cameras = option == "camera_names";
      throw Error({.what = fmt::format("the checkpoint was trained with a different {}", option),
                   .where = source,
                   .expected = fmt::format("'{}' (the checkpoint's metadata)", found->second),
                   .found = fmt::format("'{}' (the configuration)", value),
                   .next = are_cameras ? "this encoder only accepts the views that it was trained "
                                         "with; agent/backbone=resnet18_224 accepts any cameras"
                                       : "change the backbone's options to match, or use another "
                                         "checkpoint"});
    }
  }
  if (unverified.empty()) return;
  logger().info("{}: {} does not record its preprocessing; unverified: {}", kName, source,
                fmt::join(unverified, ", "));
}

void check_architecture(const LewmVitOptions& options, const LewmArchitecture& found,
                        const std::string& source) {
  const std::vector<std::tuple<const char*, std::optional<std::int64_t>, std::int64_t>> sizes = {
      {"hidden_size", options.hidden_size, found.vit.hidden_size},
      {"num_layers", options.num_layers, found.vit.num_layers},
      {"intermediate_size", options.intermediate_size, found.vit.intermediate_size},
      {"patch_size", options.patch_size, found.vit.patch_size},
      {"image_size", options.image_size, found.vit.image_size},
      {"projector_hidden", options.projector_hidden, found.projector_hidden}};
  for (const auto& [key, wanted, value] : sizes) {
    if (!wanted || *wanted == value) continue;
    throw Error({.what = fmt::format("{} does not fit the checkpoint", key),
                 .where = source,
                 .expected = fmt::format("{} (the checkpoint's shapes)", value),
                 .found = fmt::format("{} (the configuration)", *wanted),
                 .next = fmt::format("leave {} out: it is read from the checkpoint", key)});
  }
}

// check_fusable(), with advice for data that lacks the views of a trained encoder.
void check_views(const LewmVitOptions& options, const ObservationSpec& spec) {
  const auto& names = options.camera_names;
  const bool has_all = std::ranges::all_of(names, [&](const std::string& camera) {
    const StreamSpec* stream = spec.find(camera);
    return stream != nullptr && stream->is_image();
  });
  if (has_all || options.random_init || spec.camera_names().empty()) {
    view_fusion::check_fusable(names, spec, kName);
    return;
  }
  throw Error({.what = "the data lacks views that this encoder was trained with",
               .where = kName,
               .expected = fmt::format("the cameras {}", fmt::join(names, ", ")),
               .found = fmt::format("{}", fmt::join(spec.camera_names(), ", ")),
               .next = "agent/backbone=resnet18_224 accepts any cameras; or pretrain an encoder on "
                       "your views (docs/training.md, \"An encoder of your own\")"});
}

LewmArchitecture architecture_of(const LewmVitOptions& options) {
  LewmArchitecture made;
  made.vit.hidden_size = options.hidden_size.value_or(made.vit.hidden_size);
  made.vit.num_layers = options.num_layers.value_or(made.vit.num_layers);
  made.vit.num_heads =
      options.num_heads.value_or(std::max<std::int64_t>(1, made.vit.hidden_size / 64));
  made.vit.intermediate_size = options.intermediate_size.value_or(made.vit.hidden_size * 4);
  made.vit.patch_size = options.patch_size.value_or(made.vit.patch_size);
  made.vit.image_size = options.image_size.value_or(made.vit.image_size);
  made.projector_hidden = options.projector_hidden.value_or(made.projector_hidden);
  made.output_dim = made.vit.hidden_size;
  return made;
}

void check_heads(const vit::VitOptions& vit, const std::string& source) {
  if (vit.num_heads > 0 && vit.hidden_size % vit.num_heads == 0) return;
  throw Error({.what = "num_heads does not divide hidden_size",
               .where = source,
               .expected = fmt::format("a divisor of {}", vit.hidden_size),
               .found = std::to_string(vit.num_heads)});
}

void check_fused_size(const LewmVitOptions& options, const ObservationSpec& spec,
                      std::int64_t patch) {
  const ImageSize view = spec.image_size(options.camera_names[0]);
  const ImageSize joined =
      view_fusion::joined_size(view, std::ssize(options.camera_names), options.fusion.layout);
  const ImageSize size = view_fusion::resized_size(joined, options.fusion);
  if (size.height >= patch && size.width >= patch) return;
  throw Error({.what = "the fused image is smaller than one patch",
               .where = kName,
               .expected = fmt::format("at least {}x{}", patch, patch),
               .found = fmt::format("{}x{}", size.height, size.width)});
}

}  // namespace

LEWMViTBackbone::LEWMViTBackbone(LewmVitOptions options, const ObservationSpec& spec)
    : Backbone(), options_(std::move(options)) {
  check_views(options_, spec);
  // A run's own checkpoint provides weights and sizes; the original file may be gone or changed.
  if (options_.checkpoint && !options_.random_init && !WeightsFollow::active()) {
    const CheckpointFile file = read_checkpoint_file(*options_.checkpoint, options_.state_dict);
    build(&file, options_.checkpoint->string());
  } else {
    build(nullptr, kName);
  }
  check_fused_size(options_, spec, architecture_.vit.patch_size);
}

LEWMViTBackbone::LEWMViTBackbone(LewmVitOptions options, const ObservationSpec& spec,
                                 const CheckpointFile* file, const std::string& source)
    : options_(std::move(options)) {
  check_views(options_, spec);
  if (file != nullptr) options_.checkpoint = source;
  build(file, source);
  check_fused_size(options_, spec, architecture_.vit.patch_size);
}

LEWMViTBackbone::~LEWMViTBackbone() = default;

void LEWMViTBackbone::build(const CheckpointFile* file, const std::string& source) {
  if (file == nullptr && !options_.random_init && !WeightsFollow::active()) {
    throw Error({.what = "no checkpoint for the frozen encoder",
                 .where = kName,
                 .expected = "checkpoint: a LEWM file (.ckpt, .pt, .safetensors)",
                 .found = "none",
                 .next = "set checkpoint, or random_init: true for random weights"});
  }

  // The sizes come from the file, from the run's own checkpoint, or from the options.
  std::optional<WeightSelection> weights;
  if (file != nullptr) {
    check_metadata(*file, source, options_);
    weights = select_lewm(*file, source);
    architecture_ = infer_architecture(*weights, options_.num_heads);
    check_architecture(options_, architecture_, source);
  } else if (WeightsFollow::active() && !WeightsFollow::tensors().empty()) {
    const std::string own = "the run's checkpoint";
    architecture_ = infer_architecture(select_lewm({.tensors = WeightsFollow::tensors()}, own),
                                       options_.num_heads);
    check_architecture(options_, architecture_, own);
  } else {
    architecture_ = architecture_of(options_);
    if (!WeightsFollow::active()) {
      logger().warn("{}: random weights, frozen: a baseline, not a trained encoder{}", kName,
                    options_.checkpoint ? "; random_init ignores the checkpoint" : "");
    }
  }

  // The modules, in evaluation mode.
  check_heads(architecture_.vit, source);
  encoder = register_module("encoder", vit::VitEncoder(architecture_.vit));
  projector = register_module(
      "projector", vit::MlpProjector(architecture_.vit.hidden_size, architecture_.projector_hidden,
                                     architecture_.output_dim));
  if (weights) {
    load_lewm(*weights, *encoder, *projector);
    logger().info("{}: {} tensors from {} ({} entries of other parts ignored)", kName,
                  weights->tensors.size(), source, weights->left_out.size());
  }
  train(false);
}

void LEWMViTBackbone::freeze() {
  for (at::Tensor& parameter : parameters()) parameter.requires_grad_(false);
}

void LEWMViTBackbone::train(bool /*on*/) {
  Backbone::train(false);
  freeze();
}

// Packs the weights. `views`: frames for the comparison of bfloat16 with float32 on a GPU.
void LEWMViTBackbone::pack(const std::vector<at::Tensor>& views) {
  blocks_.reset();
  const bool on_cpu = views[0].is_cpu();
  const bool rounds = options_.precision == at::kBFloat16;
  if (rounds && on_cpu) require_cpu_bfloat16(kPrecision);
  const at::ScalarType precision = rounds && !on_cpu ? usable_precision(views) : options_.precision;
  inference_ = std::make_unique<vit::VitInference>(encoder, projector, precision);
  if (on_cpu) return;
  blocks_ =
      std::make_unique<BlockEncoder>(*inference_, options_.fusion, precision == at::kBFloat16);
}

at::ScalarType LEWMViTBackbone::usable_precision(const std::vector<at::Tensor>& views) {
  std::vector<at::Tensor> some;
  for (const at::Tensor& view : views) some.push_back(view.slice(0, 0, kComparedFrames));
  const at::Tensor pixels = view_fusion::fuse_views(some, options_.fusion);
  const auto features = [&](at::ScalarType precision) {
    return vit::VitInference(encoder, projector, precision).forward(pixels);
  };
  const double error = largest_row_error(features(at::kBFloat16), features(at::kFloat));
  if (error <= kMostBfloat16Error) return at::kBFloat16;
  logger().warn(
      "{}: frames are encoded in fp32 although {} is bf16: features in bf16 have a relative error "
      "of {:.2g} on {}, more than {}",
      kName, kPrecision, error, views[0].device().str(), kMostBfloat16Error);
  return at::kFloat;
}

at::Tensor LEWMViTBackbone::encode(const Observation& images, at::Generator& /*generator*/) {
  at::NoGradGuard no_grad;
  freeze();
  std::vector<at::Tensor> views = ordered_images(images);
  // The precision is options_.precision, not autocast's.
  const Autocast own_precision(views[0].device(), false);
  const std::int64_t batch = views[0].size(0), steps = views[0].size(1);
  for (at::Tensor& view : views) view = view.flatten(0, 1);
  if (batch * steps == 0) return at::empty({batch, steps, output_dim()}, at::kFloat);

  // Packs the weights again after they have changed.
  if (!inference_ || inference_->stale()) pack(views);
  if (blocks_) return blocks_->encode(views).view({batch, steps, output_dim()});

  // Fuses and encodes the frames in chunks.
  std::vector<at::Tensor> features;
  for (std::int64_t start = 0; start < batch * steps; start += kFusedFrames) {
    std::vector<at::Tensor> chunk;
    for (const at::Tensor& view : views)
      chunk.push_back(view.slice(0, start, start + kFusedFrames));
    features.push_back(inference_->forward(view_fusion::fuse_views(chunk, options_.fusion)));
  }
  return at::cat(features).view({batch, steps, output_dim()});
}

}  // namespace roboimi::lewm_vit_backbone
