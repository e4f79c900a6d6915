// Tests of the backbone checks: a correct backbone passes all, and each fault is found by its
// check.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/testing/backbone_checks.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

enum class BackboneFault {
  kNone,
  kUnknownCamera,
  kJointSizeDiffers,
  kTooManyNumbers,
  kTooFewNumbers,
  kDoubleFeatures,
  kNotFinite,
  kOrderOfTheData,
  kWritesInput,
  kUnseeded,
  kDrawsInEvaluation,
  kDefaultGenerator,
  kBatchStatistics,
  kMixesSteps,
  kBfloat16Features,
  kStaysInTraining,
  kUnusedParameter,
  kUnregisteredWeight,
  kSharedWeights,
  kCachedWeight,
  kAcceptsAnything,
  kForeignException,
  kGrows,
  kCountsItsMoves,
};

class FaultyBackbone : public Backbone {
 public:
  FaultyBackbone(BackboneFault fault, const ObservationSpec& spec)
      : fault_(fault), cameras_(spec.camera_names()) {
    if (fault == BackboneFault::kUnknownCamera) cameras_.push_back("nowhere");
    linear_ = register_module("linear", torch::nn::Linear(3, 4));
    if (fault == BackboneFault::kBatchStatistics) {
      norm_ = torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(3).track_running_stats(false));
    }
    if (fault == BackboneFault::kUnusedParameter) register_parameter("unused", at::ones({3}));
    if (fault == BackboneFault::kUnregisteredWeight) hidden_ = at::rand({4}) + counter()++;
    if (fault == BackboneFault::kSharedWeights) {
      static const at::Tensor shared = at::rand({4});
      hidden_ = register_parameter("shared", shared);
    }
    if (fault == BackboneFault::kCachedWeight) hidden_ = linear_->weight.sum().detach();
  }

  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return 4; }
  std::optional<std::int64_t> joint_output_dim() const override {
    if (fault_ == BackboneFault::kJointSizeDiffers) return 5;
    if (fault_ == BackboneFault::kOrderOfTheData) return 4;
    return std::nullopt;
  }
  bool frozen() const override { return false; }
  void train(bool on = true) override {
    Backbone::train(on);
    if (fault_ == BackboneFault::kStaysInTraining && on) linear_->bias.data().add_(1);
  }

  using Backbone::to;
  void to(torch::Dtype dtype, bool non_blocking = false) override {
    Backbone::to(dtype, non_blocking);
    ++moves_;
  }

  at::Tensor encode(const Observation& images, at::Generator& generator) override {
    if (fault_ == BackboneFault::kForeignException && !images.contains(cameras_.back())) {
      throw std::out_of_range("map::at");
    }
    std::vector<at::Tensor> ordered;
    if (fault_ == BackboneFault::kAcceptsAnything) {
      for (const auto& [camera, image] : images) ordered.push_back(image.to(at::kByte));
    } else {
      ordered = ordered_images(images);
    }
    std::vector<at::Tensor> features;
    for (std::size_t i = 0; i < ordered.size(); ++i)
      features.push_back(one(ordered[i], i, generator));
    if (fault_ == BackboneFault::kOrderOfTheData) return at::stack(features).sum(0);
    at::Tensor all = at::cat(features, -1).to(at::kFloat);
    if (fault_ == BackboneFault::kTooManyNumbers) all = at::cat({all, all}, -1);
    if (fault_ == BackboneFault::kTooFewNumbers) all = all.narrow(-1, 0, 1);
    if (fault_ == BackboneFault::kDoubleFeatures) all = all.to(at::kDouble);
    if (fault_ == BackboneFault::kBfloat16Features)
      all = features.front().repeat({1, 1, std::ssize(features)});
    if (fault_ == BackboneFault::kGrows) kept_.push_back(all);
    if (fault_ == BackboneFault::kCountsItsMoves) all = all + moves_;
    return all;
  }

 private:
  int moves_ = 0;

  static int& counter() {
    static int made = 0;
    return made;
  }

  at::Tensor one(const at::Tensor& image, std::size_t place, at::Generator& generator) {
    const at::Tensor view = image.dim() == 5 ? image : image.unsqueeze(0);
    at::Tensor color = view.to(at::kFloat).flatten(2, 3).mean(2).narrow(-1, 0, 3) / 255;
    if (fault_ == BackboneFault::kNotFinite) color = color / color;
    if (fault_ == BackboneFault::kWritesInput) image.fill_(3);
    if (fault_ == BackboneFault::kBatchStatistics && color.size(0) > 1) {
      color = norm_->forward(color.flatten(0, 1)).view_as(color);
    }
    if (fault_ == BackboneFault::kMixesSteps) color = color + color.mean(1, /*keepdim=*/true);
    if (fault_ == BackboneFault::kDrawsInEvaluation ||
        (fault_ == BackboneFault::kUnseeded && is_training())) {
      at::Generator own = at::detail::createCPUGenerator(static_cast<std::uint64_t>(counter()++));
      color = color + at::rand(color.sizes(), fault_ == BackboneFault::kUnseeded ? own : generator);
    }
    if (fault_ == BackboneFault::kDefaultGenerator && is_training())
      color = at::dropout(color, 0.5, true);
    at::Tensor feature = linear_->forward(color);
    if (fault_ == BackboneFault::kOrderOfTheData)
      feature = feature * static_cast<double>(place + 1);
    if (hidden_.defined()) feature = feature + hidden_.to(feature.scalar_type());
    return feature;
  }

  BackboneFault fault_;
  std::vector<std::string> cameras_;
  torch::nn::Linear linear_{nullptr};
  torch::nn::BatchNorm1d norm_{nullptr};
  at::Tensor hidden_;
  std::vector<at::Tensor> kept_;
};

class FaultyBackboneSubject : public BackboneSubject {
 public:
  explicit FaultyBackboneSubject(BackboneFault fault) : fault_(fault) {}
  std::shared_ptr<Backbone> make(const ObservationSpec& spec) const override {
    return std::make_shared<FaultyBackbone>(fault_, spec);
  }

 private:
  BackboneFault fault_;
};

TEST(BackboneKit, PassesABackboneWithoutAFault) {
  EXPECT_THAT(failing_checks(backbone_checks(), FaultyBackboneSubject(BackboneFault::kNone)),
              IsEmpty());
}

class EachBackboneFault : public ::testing::TestWithParam<std::pair<BackboneFault, const char*>> {};

TEST_P(EachBackboneFault, IsFoundByItsCheck) {
  const auto& [fault, check] = GetParam();
  EXPECT_THAT(failing_checks(backbone_checks(), FaultyBackboneSubject(fault)), Contains(check));
}

INSTANTIATE_TEST_SUITE_P(
    All, EachBackboneFault,
    ::testing::Values(
        std::pair(BackboneFault::kUnknownCamera, "declares_its_cameras"),
        std::pair(BackboneFault::kJointSizeDiffers, "declares_its_size"),
        std::pair(BackboneFault::kTooManyNumbers, "output_fits_the_declaration"),
        std::pair(BackboneFault::kTooFewNumbers, "output_fits_the_declaration"),
        std::pair(BackboneFault::kDoubleFeatures, "output_fits_the_declaration"),
        std::pair(BackboneFault::kNotFinite, "features_are_finite"),
        std::pair(BackboneFault::kOrderOfTheData, "camera_order_does_not_matter"),
        std::pair(BackboneFault::kWritesInput, "input_is_not_written"),
        std::pair(BackboneFault::kUnseeded, "same_seed_same_features"),
        std::pair(BackboneFault::kDrawsInEvaluation, "evaluation_draws_nothing"),
        std::pair(BackboneFault::kDefaultGenerator, "default_generator_is_untouched"),
        std::pair(BackboneFault::kBatchStatistics, "frames_are_encoded_independently"),
        std::pair(BackboneFault::kMixesSteps, "frames_are_encoded_independently"),
        std::pair(BackboneFault::kBfloat16Features, "bfloat16_stays_close"),
        std::pair(BackboneFault::kStaysInTraining, "training_mode_comes_back"),
        std::pair(BackboneFault::kUnusedParameter, "gradient_reaches_every_parameter"),
        std::pair(BackboneFault::kUnregisteredWeight, "saving_and_loading_is_exact"),
        std::pair(BackboneFault::kSharedWeights, "copies_by_its_factory"),
        std::pair(BackboneFault::kCachedWeight, "saving_and_loading_is_exact"),
        std::pair(BackboneFault::kAcceptsAnything, "wrong_images_are_refused"),
        std::pair(BackboneFault::kForeignException, "wrong_images_are_refused"),
        std::pair(BackboneFault::kGrows, "memory_does_not_grow"),
        std::pair(BackboneFault::kCountsItsMoves, "moves_between_types_and_devices")));

TEST(BackboneKit, ReportsAWrongSizeOnlyOnce) {
  EXPECT_THAT(
      failing_checks(backbone_checks(), FaultyBackboneSubject(BackboneFault::kTooFewNumbers)),
      ElementsAre("output_fits_the_declaration"));
}

enum class StreamFault {
  kNone,
  kLogarithmOfDepth,
  kNoCheckOfTheState,
  kAnySizeOfTheState,
  kErrorWithoutAName,
  kOnlyTheLastCameraIsChecked,
};

// A backbone that reads a camera, its depth, the state and a text.
class StreamBackbone final : public Backbone {
 public:
  StreamBackbone(StreamFault fault, const ObservationSpec& spec) : fault_(fault), spec_(spec) {
    linear_ = register_module("linear", torch::nn::Linear(5 + spec.state_dim(), 4));
  }
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::vector<std::string> stream_names() const override {
    return {"front", "front_depth", kState, "task"};
  }
  std::int64_t output_dim() const override { return 4; }
  std::optional<std::int64_t> joint_output_dim() const override { return 4; }
  bool frozen() const override { return false; }

  at::Tensor encode(const Observation& observations, at::Generator&) override {
    for (const std::string& name : stream_names()) check(observations, name);
    const at::Tensor color = observations.at("front").to(at::kFloat).flatten(2, 3).mean(2) / 255;
    const at::Tensor meters =
        depth_in_meters(observations.at("front_depth"), spec_.at("front_depth"))
            .flatten(2)
            .mean(2, /*keepdim=*/true);
    const at::Tensor depth =
        fault_ == StreamFault::kLogarithmOfDepth ? meters.log() : 1 / (1 + meters);
    const at::Tensor state = state_of(observations);
    const at::Tensor text = observations.at("task").to(at::kFloat).mean(2, /*keepdim=*/true) / 255;
    return linear_->forward(at::cat({color, depth, state, text}, -1)).to(at::kFloat);
  }

 private:
  at::Tensor state_of(const Observation& observations) const {
    const auto found = observations.find(kState);
    if (found == observations.end()) throw std::out_of_range("map::at");
    return found->second.narrow(-1, 0, spec_.state_dim());
  }

  void check(const Observation& observations, const std::string& name) const {
    if (name == kState && fault_ == StreamFault::kNoCheckOfTheState) return;
    if (name == "front" && fault_ == StreamFault::kOnlyTheLastCameraIsChecked) return;
    const StreamSpec& stream = spec_.at(name);
    const at::Tensor values = observations.get(name), frames = observations.get("front");
    bool fits = values.defined() && values.scalar_type() == stream.dtype && frames.defined() &&
                values.dim() == static_cast<std::int64_t>(stream.shape.size()) + 2 &&
                values.sizes().slice(0, 2) == frames.sizes().slice(0, 2);
    if (name != kState || fault_ != StreamFault::kAnySizeOfTheState) {
      fits = fits && values.sizes().slice(2) == stream.shape;
    }
    if (fits) return;
    const bool is_named = fault_ != StreamFault::kErrorWithoutAName || stream.is_image();
    throw Error(is_named ? "the stream '" + name + "' does not fit" : "wrong input");
  }

  StreamFault fault_;
  ObservationSpec spec_;
  std::vector<std::string> cameras_ = {"front", "front_depth"};
  torch::nn::Linear linear_{nullptr};
};

class StreamSubject final : public BackboneSubject {
 public:
  explicit StreamSubject(StreamFault fault) : fault_(fault) {}
  std::shared_ptr<Backbone> make(const ObservationSpec& spec) const override {
    return std::make_shared<StreamBackbone>(fault_, spec);
  }

 private:
  StreamFault fault_;
};

TEST(BackboneKit, PassesABackboneThatReadsDepthStateAndText) {
  const StreamSubject subject(StreamFault::kNone);
  EXPECT_THAT(failing_checks(backbone_checks(), subject), IsEmpty());
  EXPECT_THAT(checks_that(CheckStatus::kSkipped, backbone_checks(), subject),
              ElementsAre("frozen_means_frozen"));
}

TEST(BackboneKit, FindsFaultsInOtherStreamsThanRgbImages) {
  for (const auto& [fault, check] :
       {std::pair(StreamFault::kLogarithmOfDepth, "features_are_finite"),
        std::pair(StreamFault::kNoCheckOfTheState, "wrong_streams_are_refused"),
        std::pair(StreamFault::kAnySizeOfTheState, "wrong_streams_are_refused"),
        std::pair(StreamFault::kErrorWithoutAName, "wrong_streams_are_refused"),
        std::pair(StreamFault::kOnlyTheLastCameraIsChecked, "wrong_images_are_refused")}) {
    EXPECT_EQ(run_check(check_named(backbone_checks(), check), StreamSubject(fault)).status,
              CheckStatus::kFailed)
        << check;
  }
}

// A backbone that claims to be frozen but is trainable.
class FrozenInNameOnly : public FaultyBackbone {
 public:
  explicit FrozenInNameOnly(const ObservationSpec& spec)
      : FaultyBackbone(BackboneFault::kNone, spec) {}
  bool frozen() const override { return true; }
};

class FrozenInNameOnlySubject : public BackboneSubject {
 public:
  std::shared_ptr<Backbone> make(const ObservationSpec& spec) const override {
    return std::make_shared<FrozenInNameOnly>(spec);
  }
  std::map<std::string, std::string> skipped() const override {
    return {{"declares_its_size", "not needed"}};
  }
};

TEST(BackboneKit, FindsAFrozenBackboneThatIsTrainable) {
  EXPECT_THAT(failing_checks(backbone_checks(), FrozenInNameOnlySubject()),
              Contains("frozen_means_frozen"));
}

TEST(BackboneKit, SkipsTheSubjectsSkippedChecksAndReportsWhy) {
  const CheckResult result =
      run_check(check_named(backbone_checks(), "declares_its_size"), FrozenInNameOnlySubject());
  EXPECT_EQ(result.status, CheckStatus::kSkipped);
  EXPECT_EQ(result.message, "not needed");
}

}  // namespace
}  // namespace roboimi::testing
