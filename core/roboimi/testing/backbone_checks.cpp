#include "roboimi/testing/backbone_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "roboimi/common/random.h"
#include "roboimi/contract/autocast.h"
#include "roboimi/io/tensor_map.h"
#include "roboimi/testing/backbone_under_test.h"
#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

using Made = std::shared_ptr<Backbone>;

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
  const Made backbone = make_backbone(subject);
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
  const Made backbone = make_backbone(subject);
  const auto joint = backbone->joint_output_dim();
  require(backbone->output_dim() > 0, "output_dim() is not positive");
  require(!joint || *joint == backbone->output_dim(),
          fmt::format("output_dim() and joint_output_dim() of a joint backbone differ: {} and {}",
                      backbone->output_dim(), joint.value_or(0)));
}

void output_fits_the_declaration(const BackboneSubject& subject) {
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

// The images of `spec` with the darkest or brightest color and the nearest or farthest depth.
Observation extreme_streams(const ObservationSpec& spec, bool is_bright) {
  Observation streams = random_streams(spec, 1, 1);
  for (const StreamSpec& stream : spec.streams) {
    if (!stream.is_image()) continue;
    double value = is_bright ? 255.0 : 0.0;
    if (stream.kind == StreamKind::kDepth && is_bright) {
      value = stream.dtype == at::kUInt16 ? 65535.0 : stream.unit == "mm" ? 1e6 : 1e3;
    }
    streams[stream.name] =
        at::full(streams[stream.name].sizes(), value, at::kFloat).to(stream.dtype);
  }
  return streams;
}

void features_are_finite(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  for (const bool is_bright : {false, true}) {
    const at::Tensor features = evaluate(*backbone, extreme_streams(subject.spec(), is_bright));
    require(features.isfinite().all().item<bool>(),
            is_bright ? "images of the value 255, or depth of 1 km, give features that are not "
                        "finite"
                      : "images of the value 0 give features that are not finite; a depth of 0 "
                        "means that nothing was measured");
  }
}

// Features of another size are reported by output_fits_the_declaration.
void skip_unless_as_declared(const Backbone& backbone, const at::Tensor& features) {
  if (features.dim() == 3 && features.size(2) == backbone.feature_dim()) return;
  skip("encode() does not return the size that it declares");
}

// The features of `other`, whose cameras have a different order, in the order of `first`.
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
  ObservationSpec reversed = subject.spec();
  if (reversed.streams.size() < 2) skip("there is only one camera");
  std::ranges::reverse(reversed.streams);
  const Made backbone = make_for_evaluation(subject), other = make_backbone(subject, reversed);
  copy_tensors(*backbone, *other);
  other->eval();
  const Observation images = random_streams(subject.spec(), 2, 1);
  const at::Tensor features = evaluate(*other, images);
  skip_unless_as_declared(*other, features);
  const double difference =
      relative_difference(reordered(features, *other, *backbone), evaluate(*backbone, images));
  require(
      difference <= subject.tolerance(),
      fmt::format("the order of data.camera_names changes the features by {:.3g}; define the order "
                  "with an option, and name per-camera weights after the camera",
                  difference));
}

void input_is_not_written(const BackboneSubject& subject) {
  const Made backbone = make_backbone(subject);
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
  const Made backbone = make_backbone(subject);
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
  const Made backbone = make_backbone(subject);
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
  skip_unless_as_declared(backbone, together);
  double largest = 0.0;
  for (std::int64_t sample = 0; sample < 3; ++sample) {
    for (std::int64_t step = 0; step < 2; ++step) {
      const at::Tensor alone = evaluate(backbone, select(images, sample, step));
      largest = std::max(largest, relative_difference(together[sample][step], alone[0][0]));
    }
  }
  return largest;
}

void frames_are_encoded_independently(const BackboneSubject& subject) {
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

// Requires an Error that names `stream` after `damage` was done to the observations.
void require_refusal(const BackboneSubject& subject, Backbone& backbone, const std::string& what,
                     const std::string& stream, const std::function<void(Observation&)>& damage) {
  Observation observations = random_streams(subject.spec(), 2, 1);
  damage(observations);
  require_error(fmt::format("{} '{}'", what, stream), {stream},
                [&] { evaluate(backbone, observations); });
}

void wrong_images_are_refused(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  for (const std::string& camera : backbone->camera_names()) {
    const bool is_rgb = subject.spec().at(camera).kind == StreamKind::kRgb;
    const auto refuses = [&](const std::string& what,
                             const std::function<void(Observation&)>& damage) {
      require_refusal(subject, *backbone, what, camera, damage);
    };
    refuses("a missing camera", [&](Observation& images) { images.erase(camera); });
    refuses("the wrong dtype of camera", [&](Observation& images) {
      images[camera] = images[camera].to(is_rgb ? at::kFloat : at::kDouble);
    });
    refuses("no batch dimension of camera",
            [&](Observation& images) { images[camera] = images[camera][0]; });
    if (is_rgb) {
      refuses("four channels of camera", [&](Observation& images) {
        images[camera] = at::cat({images[camera], images[camera]}, -1).narrow(-1, 0, 4);
      });
    }
    // An error about two batch sizes names the later camera.
    if (camera != backbone->camera_names().front()) {
      refuses("the wrong batch size of camera",
              [&](Observation& images) { images[camera] = images[camera].narrow(0, 0, 1); });
    }
  }
  evaluate(*backbone, random_streams(subject.spec(), 1, 1));
}

void wrong_streams_are_refused(const BackboneSubject& subject) {
  const Made backbone = make_for_evaluation(subject);
  bool any = false;
  for (const std::string& stream : backbone->stream_names()) {
    if (is_image_of(subject.spec(), stream)) continue;
    any = true;
    const auto refuses = [&](const std::string& what,
                             const std::function<void(Observation&)>& damage) {
      require_refusal(subject, *backbone, what, stream, damage);
    };
    refuses("a missing stream", [&](Observation& streams) { streams.erase(stream); });
    refuses("the wrong dtype of stream",
            [&](Observation& streams) { streams[stream] = streams[stream].to(at::kLong); });
    refuses("the wrong size of stream", [&](Observation& streams) {
      streams[stream] = at::cat({streams[stream], streams[stream]}, -1);
    });
    refuses("no batch dimension of stream",
            [&](Observation& streams) { streams[stream] = streams[stream][0]; });
  }
  if (!any) skip("the backbone reads only cameras");
}

}  // namespace

ObservationSpec BackboneSubject::spec() const {
  ObservationSpec spec = sample_streams();
  spec.set(vector_stream(kState, 16));
  spec.action_dim = 16;
  return spec;
}

const std::vector<Check<BackboneSubject>>& backbone_checks() {
  static const std::vector<Check<BackboneSubject>> checks = [] {
    std::vector<Check<BackboneSubject>> all = {
        {"declares_its_cameras", "the agent passes only these cameras", declares_its_cameras},
        {"declares_its_size", "the agent sizes its condition from it", declares_its_size},
        {"output_fits_the_declaration",
         "any batch size and number of observations can be trained on",
         output_fits_the_declaration},
        {"features_are_finite", "a covered lens must not stop a robot", features_are_finite},
        {"camera_order_does_not_matter", "users may list data.camera_names in any order",
         camera_order_does_not_matter},
        {"input_is_not_written", "frames are shared with the cache and the disk",
         input_is_not_written},
        {"same_seed_same_features", "runs must be repeatable and resumable",
         same_seed_same_features},
        {"evaluation_draws_nothing", "evaluations must be comparable", evaluation_draws_nothing},
        {"default_generator_is_untouched", "components must not change each other's random numbers",
         default_generator_is_untouched},
        {"frames_are_encoded_independently",
         "training uses features cached in blocks, rollouts encode single frames",
         frames_are_encoded_independently},
        {"bfloat16_stays_close", "train.precision=bf16 runs the backbone under autocast",
         bfloat16_stays_close},
        {"wrong_images_are_refused", "an error must name the wrong camera instead of crashing",
         wrong_images_are_refused},
        {"wrong_streams_are_refused", "an error must name the wrong stream instead of crashing",
         wrong_streams_are_refused},
    };
    const auto of_weights = backbone_weight_checks();
    all.insert(all.end(), of_weights.begin(), of_weights.end());
    return all;
  }();
  return checks;
}

}  // namespace roboimi::testing
