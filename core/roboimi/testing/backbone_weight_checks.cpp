// Checks of a backbone's weights and modes.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/cuda.h>

#include <memory>
#include <vector>

#include "roboimi/common/random.h"
#include "roboimi/io/tensor_map.h"
#include "roboimi/testing/backbone_under_test.h"
#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

using Made = std::shared_ptr<Backbone>;

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
  const Made backbone = make_backbone(subject);
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
  const Made backbone = make_backbone(subject);
  if (backbone->frozen()) skip("the backbone is frozen");
  backbone->train();
  const at::Tensor features = encode(*backbone, random_streams(subject.spec(), 3, 2));
  at::Generator generator = make_generator(5);
  require_gradients(*backbone, (features * at::randn(features.sizes(), generator)).sum());
}

void saving_and_loading_is_exact(const BackboneSubject& subject) {
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

void memory_does_not_grow(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  const Observation images = random_streams(subject.spec(), 1, 1);
  require_no_growth("encode()", [&] { evaluate(*backbone, images); });
}

}  // namespace

std::vector<Check<BackboneSubject>> backbone_weight_checks() {
  return {
      {"training_mode_comes_back", "rollouts interrupt training", training_mode_comes_back},
      {"frozen_means_frozen", "features of a frozen backbone are cached permanently",
       frozen_means_frozen},
      {"gradient_reaches_every_parameter", "a parameter without a gradient silently never learns",
       gradient_reaches_every_parameter},
      {"saving_and_loading_is_exact", "a policy is deployed from its checkpoint",
       saving_and_loading_is_exact},
      {"copies_by_its_factory", "copies for workers and averaged weights are made this way",
       copies_by_its_factory},
      {"moves_between_types_and_devices", "the same policy runs on a GPU and on a robot",
       moves_between_types_and_devices},
      {"memory_does_not_grow", "a robot's process runs for days", memory_does_not_grow},
  };
}

}  // namespace roboimi::testing
