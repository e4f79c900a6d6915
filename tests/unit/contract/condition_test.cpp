#include "roboimi/contract/condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/common/error.h"
#include "roboimi/contract/backbone.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

// A backbone that only declares sizes: the size of a condition is known before anything is encoded.
class SizedBackbone : public Backbone {
 public:
  SizedBackbone(std::int64_t output_dim, std::optional<std::int64_t> joint)
      : output_dim_(output_dim), joint_(joint) {}
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return output_dim_; }
  std::optional<std::int64_t> joint_output_dim() const override { return joint_; }
  bool frozen() const override { return true; }
  at::Tensor encode(const Observation& images, at::Generator&) override {
    const auto ordered = ordered_images(images);
    return at::zeros({ordered[0].size(0), ordered[0].size(1), feature_dim()});
  }

 private:
  std::vector<std::string> cameras_ = {"front", "top", "r_vis"};
  std::int64_t output_dim_;
  std::optional<std::int64_t> joint_;
};

TEST(ConditionSpec, UsesJointOutputDimIfItIsSet) {
  const SizedBackbone joint(192, 192);
  const ConditionSpec spec = condition_spec(&joint, 16, 0);
  EXPECT_EQ(spec.per_step_cond_dim(), 208);
  EXPECT_EQ(spec.sum_text(), "joint_output_dim 192 + state 16 = 208");
}

TEST(ConditionSpec, UsesOutputDimTimesCamerasOtherwise) {
  const SizedBackbone per_camera(64, std::nullopt);
  const ConditionSpec spec = condition_spec(&per_camera, 16, 7);
  EXPECT_EQ(spec.per_step_cond_dim(), 64 * 3 + 16 + 7);
  EXPECT_EQ(spec.sum_text(), "output_dim 64 * 3 cameras + state 16 + env_state 7 = 215");
}

TEST(ConditionSpec, WithoutABackboneHasOnlyTheStates) {
  EXPECT_EQ(condition_spec(nullptr, 16, 7).per_step_cond_dim(), 23);
}

TEST(CheckCondDim, ShowsTheSum) {
  const SizedBackbone joint(192, 192);
  const ConditionSpec spec = condition_spec(&joint, 16, 0);
  Schema schema;
  schema.optional_integer("cond_dim", "size of the condition per observation step");
  const auto check = [&](const std::string& yaml) {
    const Options head = parse_options(parse_yaml(yaml, "agent/a.yaml"), schema, "agent.head");
    check_cond_dim(head, spec.per_step_cond_dim(), spec.sum_text());
  };
  EXPECT_NO_THROW(check("cond_dim: 208"));
  EXPECT_NO_THROW(check("cond_dim: null"));
  try {
    check("cond_dim: 592");
    FAIL() << "592 was accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        "agent/a.yaml:1:1: agent.head.cond_dim: is not the size of the condition: expected "
        "joint_output_dim 192 + state 16 = 208; found '592'; pass agent.head.cond_dim=null, or set "
        "it to 208");
  }
}

TEST(BuildCond, PutsFeaturesBeforeState) {
  const SizedBackbone joint(2, 2);
  const ConditionSpec spec = condition_spec(&joint, 1, 0);
  const at::Tensor features = at::tensor({1.0, 2.0, 3.0, 4.0}).view({1, 2, 2});
  const at::Tensor state = at::tensor({9.0, 8.0}).view({1, 2, 1});
  const at::Tensor expected = at::tensor({1.0, 2.0, 9.0, 3.0, 4.0, 8.0}).view({1, 2, 3});
  EXPECT_TRUE(build_cond(spec, features, state, {}).equal(expected));
}

TEST(BuildCond, NamesThePartOfTheWrongShape) {
  const SizedBackbone joint(2, 2);
  const ConditionSpec spec = condition_spec(&joint, 1, 0);
  try {
    build_cond(spec, at::zeros({1, 2, 3}), at::zeros({1, 2, 1}), {});
    FAIL() << "features of another size were accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("wrong shape of the condition's visual features"));
    EXPECT_THAT(error.what(), HasSubstr("expected [B, T, 2]; found [1, 2, 3]"));
  }
}

}  // namespace
}  // namespace roboimi
