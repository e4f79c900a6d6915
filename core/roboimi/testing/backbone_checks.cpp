#include "roboimi/testing/backbone_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/cuda.h>

#include <algorithm>
#include <set>

#include "roboimi/common/random.h"
#include "roboimi/contract/autocast.h"
#include "roboimi/io/tensor_map.h"
#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

using Made = std::shared_ptr<Backbone>;

Made make(const BackboneSubject& subject, const ObservationSpec& spec, std::uint64_t seed = 1) {
  const SeededConstruction seeded(seed);
  Made backbone = subject.make(spec);
  require(backbone != nullptr, "the factory returns no backbone");
  return backbone;
}

Made make(const BackboneSubject& subject) { return make(subject, subject.spec()); }

Made make_for_evaluation(const BackboneSubject& subject, std::uint64_t seed = 1) {
  Made backbone = make(subject, subject.spec(), seed);
  backbone->eval();
  return backbone;
}

at::Tensor encode(Backbone& backbone, const Observation& images, std::uint64_t seed = 7) {
  at::Generator generator = make_generator(seed);
  return backbone.encode(images, generator);
}

at::Tensor evaluate(Backbone& backbone, const Observation& images) {
  const torch::NoGradGuard no_grad;
  return encode(backbone, images);
}

Observation select(const Observation& images, std::int64_t sample, std::int64_t step) {
  Observation one;
  for (const auto& [camera, image] : images) {
    one[camera] = image.narrow(0, sample, 1).narrow(1, step, 1);
  }
  return one;
}

bool is_image_of(const ObservationSpec& spec, const std::string& name) {
  const StreamSpec* stream = spec.find(name);
  return stream != nullptr && stream->is_image();
}

void declares_its_cameras(const BackboneSubject& subject) {
  const Made backbone = make(subject);
  const auto& names = backbone->camera_names();
  require(!names.empty(), "camera_names() is empty; name the cameras that encode() needs");
  require(std::set<std::string>(names.begin(), names.end()).size() == names.size(),
          fmt::format("camera_names() has duplicates: {}", fmt::join(names, ", ")));
  for (const std::string& name : names) {
    require(is_image_of(subject.spec(), name),
            fmt::format("camera_names() has '{}', which is not in the ObservationSpec; the factory "
                        "must reject such options (check_camera_names)",
                        name));
  }
  const std::vector<std::string> streams = backbone->stream_names();
  for (const std::string& name : names) {
    require(std::ranges::find(streams, name) != streams.end(),
            fmt::format("stream_names() lacks the camera '{}'", name));
  }
  for (const std::string& name : streams) {
    require(subject.spec().find(name) != nullptr,
            fmt::format("stream_names() has '{}', which is not in the ObservationSpec", name));
  }
}

void declares_its_size(const BackboneSubject& subject) {
  const Made backbone = make(subject);
  const auto joint = backbone->joint_output_dim();
  require(backbone->output_dim() > 0, "output_dim() is not positive");
  require(!joint || *joint == backbone->output_dim(),
          fmt::format("output_dim() and joint_output_dim() of a joint backbone differ: {} and {}",
                      backbone->output_dim(), joint.value_or(0)));
}

void gives_what_it_declares(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  for (const std::int64_t batch : {1, 3}) {
    for (const std::int64_t steps : {1, 2}) {
      const at::Tensor features = evaluate(*backbone, random_streams(subject.spec(), batch, steps));
      const std::vector<std::int64_t> expected = {batch, steps, backbone->feature_dim()};
      require(
          features.sizes() == expected,
          fmt::format("encode() returns [{}] for batch {} and {} steps; it declares [{}]",
                      fmt::join(features.sizes(), ", "), batch, steps, fmt::join(expected, ", ")));
      require(
          features.scalar_type() == at::kFloat,
          fmt::format("features are {}; return float32", c10::toString(features.scalar_type())));
    }
  }
}

void features_are_finite(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  for (const int value : {0, 255}) {
    Observation images = random_streams(subject.spec(), 1, 1);
    for (auto& [camera, image] : images.images()) image.fill_(value);
    require(
        evaluate(*backbone, images).isfinite().all().item<bool>(),
        fmt::format("images with the constant value {} give features that are not finite", value));
  }
}

// The features of `other`, whose cameras have another order, in the order of `first`.
at::Tensor reordered(const at::Tensor& features, const Backbone& other, const Backbone& first) {
  if (first.joint_output_dim()) return features;
  std::vector<at::Tensor> parts;
  const auto& names = other.camera_names();
  for (const std::string& camera : first.camera_names()) {
    const auto place = std::find(names.begin(), names.end(), camera) - names.begin();
    parts.push_back(features.narrow(-1, place * first.output_dim(), first.output_dim()));
  }
  return at::cat(parts, -1);
}

void camera_order_does_not_matter(const BackboneSubject& subject) {
  ObservationSpec turned = subject.spec();
  if (turned.streams.size() < 2) skip("there is only one camera");
  std::reverse(turned.streams.begin(), turned.streams.end());
  const Made backbone = make_for_evaluation(subject), other = make(subject, turned);
  copy_tensors(*backbone, *other);
  other->eval();
  const Observation images = random_streams(subject.spec(), 2, 1);
  const double difference = relative_difference(
      reordered(evaluate(*other, images), *other, *backbone), evaluate(*backbone, images));
  require(
      difference <= subject.tolerance(),
      fmt::format("the order of data.camera_names changes the features by {:.3g}; define the order "
                  "with an option, and name per-camera weights after the camera",
                  difference));
}

void input_is_not_written(const BackboneSubject& subject) {
  const Made backbone = make(subject);
  const Observation images = random_streams(subject.spec(), 2, 2);
  Observation before;
  for (const auto& [camera, image] : images) before[camera] = image.clone();
  for (const bool training : {false, true}) {
    backbone->train(training);
    encode(*backbone, images);
    for (const auto& [camera, image] : images) {
      require(at::equal(image, before.at(camera)),
              fmt::format("encode() modifies the images of '{}'; copy them first", camera));
    }
  }
}

void same_seed_same_features(const BackboneSubject& subject) {
  const Made backbone = make(subject);
  const Observation images = random_streams(subject.spec(), 2, 2);
  for (const bool training : {false, true}) {
    backbone->train(training);
    const TensorMap saved = cloned_tensors(*backbone);
    const at::Tensor first = encode(*backbone, images).detach();
    load_tensors_strictly(*backbone, saved, "check");  // running statistics of the first call
    require(at::equal(first, encode(*backbone, images).detach()),
            fmt::format("two calls with the same seed differ in {} mode; use only the generator "
                        "that is passed in",
                        training ? "training" : "evaluation"));
  }
}

void evaluation_draws_nothing(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  at::Generator generator = make_generator(3);
  const at::Tensor before = generator.get_state().clone();
  const torch::NoGradGuard no_grad;
  backbone->encode(random_streams(subject.spec(), 2, 1), generator);
  require(at::equal(before, generator.get_state()),
          "encode() draws random numbers in evaluation mode; use random transforms in training "
          "only");
}

void default_generator_is_untouched(const BackboneSubject& subject) {
  const Made backbone = make(subject);
  const Observation images = random_streams(subject.spec(), 2, 1);
  for (const bool training : {false, true}) {
    backbone->train(training);
    require_default_generator_untouched("encode()", [&] { encode(*backbone, images); });
  }
}

// How much a frame's features depend on the other frames in the batch.
double neighbor_effect(Backbone& backbone, const ObservationSpec& spec) {
  const Observation images = random_streams(spec, 3, 2);
  const at::Tensor together = evaluate(backbone, images);
  double largest = 0.0;
  for (std::int64_t sample = 0; sample < 3; ++sample) {
    for (std::int64_t step = 0; step < 2; ++step) {
      const at::Tensor alone = evaluate(backbone, select(images, sample, step));
      largest = std::max(largest, relative_difference(together[sample][step], alone[0][0]));
    }
  }
  return largest;
}

void batch_neighbours_do_not_matter(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  const double effect = neighbor_effect(*backbone, subject.spec());
  require(
      effect <= subject.tolerance(),
      fmt::format("a frame's features change by {:.3g} with the other frames in the batch (at most "
                  "{:.3g}); encode each frame independently in evaluation mode, without batch "
                  "statistics and without mixing time steps",
                  effect, subject.tolerance()));
}

void bfloat16_stays_close(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  const Observation images = random_streams(subject.spec(), 2, 1);
  const Autocast mixed(c10::Device(c10::kCPU), true);
  require(evaluate(*backbone, images).scalar_type() == at::kFloat,
          "features under bfloat16 autocast are not float32; convert them at the end");
  const double effect = neighbor_effect(*backbone, subject.spec());
  require(effect <= subject.bf16_tolerance(),
          fmt::format("under bfloat16 autocast a frame's features change by {:.3g} with the other "
                      "frames in the batch (at most {:.3g})",
                      effect, subject.bf16_tolerance()));
}

void training_mode_comes_back(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  const Observation images = random_streams(subject.spec(), 2, 1);
  const at::Tensor before = evaluate(*backbone, images);
  backbone->train();
  backbone->eval();
  require(!backbone->is_training(), "eval() leaves the backbone in training mode");
  require(at::equal(before, evaluate(*backbone, images)),
          "train() followed by eval() changes the features; handle both modes in train(bool)");
}

void frozen_means_frozen(const BackboneSubject& subject) {
  const Made backbone = make(subject);
  if (!backbone->frozen()) skip("the backbone is trainable");
  // No part of it may train.
  const Observation images = random_streams(subject.spec(), 2, 1);
  const at::Tensor features = evaluate(*backbone, images);
  const TensorMap before = cloned_tensors(*backbone);
  backbone->train();
  for (const auto& item : backbone->named_parameters()) {
    require(!item.value().requires_grad(),
            fmt::format("'{}' of a frozen backbone has requires_grad", item.key()));
  }
  for (const auto& module : backbone->modules()) {
    require(!module->is_training(),
            fmt::format("'{}' of a frozen backbone is in training mode after train(); override "
                        "train(bool)",
                        module->name()));
  }
  require(!encode(*backbone, images).requires_grad(),
          "features of a frozen backbone have requires_grad");
  // Use must not change it.
  for (int i = 0; i < 3; ++i) encode(*backbone, random_streams(subject.spec(), 2, 1, 20 + i));
  for (const auto& [name, tensor] : tensors_of(*backbone)) {
    require(at::equal(tensor, before.at(name)),
            fmt::format("'{}' of a frozen backbone changes when it encodes", name));
  }
  backbone->eval();
  require(at::equal(features, evaluate(*backbone, images)),
          "the features of a frozen backbone change with use");
}

void gradient_reaches_every_parameter(const BackboneSubject& subject) {
  const Made backbone = make(subject);
  if (backbone->frozen()) skip("the backbone is frozen");
  backbone->train();
  const at::Tensor features = encode(*backbone, random_streams(subject.spec(), 3, 2));
  at::Generator generator = make_generator(5);
  require_gradients(*backbone, (features * at::randn(features.sizes(), generator)).sum());
}

void saves_and_loads_to_the_bit(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject), other = make_for_evaluation(subject, 2);
  perturb(*other);
  copy_through_file(*backbone, *other);
  const Observation images = random_streams(subject.spec(), 2, 1);
  require(at::equal(evaluate(*backbone, images), evaluate(*other, images)),
          "saving and loading the weights changes the features; register everything that encode() "
          "depends on as a parameter or buffer");
}

void copies_by_its_factory(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  const Observation images = random_streams(subject.spec(), 2, 1);
  const at::Tensor before = evaluate(*backbone, images);
  const Made copy = make_for_evaluation(subject);
  copy_tensors(*backbone, *copy);
  require(at::equal(evaluate(*copy, images), before), "a copy gives different features");
  perturb(*copy);
  require(at::equal(evaluate(*backbone, images), before),
          "changing a copy changes the original; do not share tensors between them");
}

void moves_between_types_and_devices(const BackboneSubject& subject) {
  // To float64 and back.
  const Made backbone = make_for_evaluation(subject);
  const Observation images = random_streams(subject.spec(), 2, 1);
  const at::Tensor before = evaluate(*backbone, images);
  backbone->to(at::kDouble);
  backbone->to(at::kFloat);
  require(relative_difference(evaluate(*backbone, images), before) <= subject.tolerance(),
          "to(float64) and back changes the features; register every tensor, and keep no "
          "unregistered copies of weights");
  // To a CUDA device, if there is one.
  if (!torch::cuda::is_available()) return;
  backbone->to(c10::Device(c10::kCUDA, 0));
  Observation there;
  for (const auto& [camera, image] : images) there[camera] = image.cuda();
  const torch::NoGradGuard no_grad;
  at::Generator generator = make_generator(7, c10::Device(c10::kCUDA, 0));
  require(relative_difference(backbone->encode(there, generator).cpu(), before) <= 1e-3,
          "the features on a CUDA device are different");
}

void wrong_images_are_refused(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  const std::string camera = backbone->camera_names().back();
  const bool is_rgb = subject.spec().at(camera).kind == StreamKind::kRgb;
  const auto refuses = [&](const std::string& what,
                           const std::function<void(Observation&)>& damage) {
    Observation images = random_streams(subject.spec(), 2, 1);
    damage(images);
    require_error(what, {camera}, [&] { evaluate(*backbone, images); });
  };
  refuses("a missing camera", [&](Observation& images) { images.erase(camera); });
  refuses("images of another dtype", [&](Observation& images) {
    images[camera] = images[camera].to(is_rgb ? at::kFloat : at::kDouble);
  });
  refuses("an image without a batch dimension",
          [&](Observation& images) { images[camera] = images[camera][0]; });
  if (is_rgb) {
    refuses("images with four channels", [&](Observation& images) {
      images[camera] = at::cat({images[camera], images[camera]}, -1).narrow(-1, 0, 4);
    });
  }
  if (backbone->num_cameras() > 1) {
    refuses("cameras with different batch sizes",
            [&](Observation& images) { images[camera] = images[camera].narrow(0, 0, 1); });
  }
  evaluate(*backbone, random_streams(subject.spec(), 1, 1));
}

void memory_does_not_grow(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  const Observation images = random_streams(subject.spec(), 1, 1);
  require_no_growth("encode()", [&] { evaluate(*backbone, images); });
}

}  // namespace

ObservationSpec BackboneSubject::spec() const {
  ObservationSpec spec = sample_streams();
  spec.set(vector_stream(kState, 16));
  spec.action_dim = 16;
  return spec;
}

const std::vector<Check<BackboneSubject>>& backbone_checks() {
  static const std::vector<Check<BackboneSubject>> checks = {
      {"declares_its_cameras", "the agent passes only these cameras", declares_its_cameras},
      {"declares_its_size", "the agent sizes its condition from it", declares_its_size},
      {"gives_what_it_declares", "any batch size and number of observations can be trained on",
       gives_what_it_declares},
      {"features_are_finite", "a covered lens must not stop a robot", features_are_finite},
      {"camera_order_does_not_matter", "users may list data.camera_names in any order",
       camera_order_does_not_matter},
      {"input_is_not_written", "frames are shared with the cache and the disk",
       input_is_not_written},
      {"same_seed_same_features", "runs must be repeatable and resumable", same_seed_same_features},
      {"evaluation_draws_nothing", "evaluations must be comparable", evaluation_draws_nothing},
      {"default_generator_is_untouched", "components must not change each other's random numbers",
       default_generator_is_untouched},
      {"batch_neighbours_do_not_matter",
       "training uses features cached in blocks, rollouts encode single frames",
       batch_neighbours_do_not_matter},
      {"bfloat16_stays_close", "train.precision=bf16 runs the backbone under autocast",
       bfloat16_stays_close},
      {"training_mode_comes_back", "rollouts interrupt training", training_mode_comes_back},
      {"frozen_means_frozen", "features of a frozen backbone are cached permanently",
       frozen_means_frozen},
      {"gradient_reaches_every_parameter", "a parameter without a gradient silently never learns",
       gradient_reaches_every_parameter},
      {"saves_and_loads_to_the_bit", "a policy is deployed from its checkpoint",
       saves_and_loads_to_the_bit},
      {"copies_by_its_factory", "copies for workers and averaged weights are made this way",
       copies_by_its_factory},
      {"moves_between_types_and_devices", "the same policy runs on a GPU and on a robot",
       moves_between_types_and_devices},
      {"wrong_images_are_refused", "an error must name the wrong camera instead of crashing",
       wrong_images_are_refused},
      {"memory_does_not_grow", "a robot's process runs for days", memory_does_not_grow},
  };
  return checks;
}

}  // namespace roboimi::testing
