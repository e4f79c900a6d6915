#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/common/error.h"
#include "roboimi/io/foreign_weights.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

class LoadForeignWeights : public ::testing::Test {
 protected:
  // The error of loading `weights` into a module with a float `a` [2] and an integer `n`.
  std::string error_for(WeightSelection weights) const {
    weights.source = "foreign.pt";
    for (const auto& [name, tensor] : weights.tensors) weights.names[name] = "model." + name;
    try {
      load_foreign_weights(targets_, weights,
                           {.model = "the network",
                            .next = "set the sizes",
                            .may_be_missing = [](const std::string& name) { return name == "n"; }});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  const std::map<std::string, at::Tensor> targets_ = {{"a", at::zeros({2})},
                                                      {"n", at::full({}, 7, at::kLong)}};
};

TEST_F(LoadForeignWeights, ConvertsDtypesAndAllowsOptionalTensorsToBeMissing) {
  EXPECT_EQ(error_for({.tensors = {{"a", at::zeros({2})}, {"n", at::full({}, 9.0)}}}), "");
  EXPECT_EQ(targets_.at("n").item<std::int64_t>(), 9);
  targets_.at("n").fill_(7);
  EXPECT_EQ(error_for({.tensors = {{"a", at::ones({2}, at::kHalf)}}}), "");
  EXPECT_TRUE(at::equal(targets_.at("a"), at::ones({2})));
  EXPECT_EQ(targets_.at("n").item<std::int64_t>(), 7);
}

TEST_F(LoadForeignWeights, ListsDifferencesWithTheNamesInTheFile) {
  const std::string text = error_for({.tensors = {{"b", at::ones({1})}, {"n", at::ones({3})}}});
  EXPECT_THAT(text, HasSubstr("foreign.pt: the weights do not fit the network"));
  EXPECT_THAT(text, HasSubstr("1 missing (a); 1 unexpected (model.b)"));
  EXPECT_THAT(text, HasSubstr("model.n: Float [3], but Long [] in the model"));
  EXPECT_THAT(text, HasSubstr("set the sizes"));
  EXPECT_THAT(error_for({.unread = {{"a", "quantized"}}}),
              HasSubstr("1 missing (a: the file's tensor is quantized)"));
}

TEST_F(LoadForeignWeights, RejectsNanAndInfinityAndWritesNothing) {
  const std::string text = error_for({.tensors = {{"a", at::full({2}, NAN)}}});
  EXPECT_THAT(text, HasSubstr("foreign.pt: weights are NaN or infinite"));
  EXPECT_THAT(text, HasSubstr("model.a: 2 of 2"));
  EXPECT_TRUE(at::equal(targets_.at("a"), at::zeros({2})));
}

}  // namespace
}  // namespace roboimi
