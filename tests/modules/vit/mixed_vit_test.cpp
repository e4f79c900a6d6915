// Compares the forward pass for mixed precision with the encoder's own, on a CPU.
#include "modules/vit/mixed_vit.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/autograd.h>
#include <torch/utils.h>

#include "roboimi/common/random.h"
#include "roboimi/contract/autocast.h"
#include "tests/bfloat16.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

constexpr vit::VitOptions kSmall{.hidden_size = 24,
                                 .num_layers = 3,
                                 .num_heads = 3,
                                 .intermediate_size = 40,
                                 .patch_size = 4,
                                 .image_size = 16};

// Weights of a size at which all parts of the network matter.
vit::VitEncoder random_encoder(const vit::VitOptions& options = kSmall) {
  const SeededConstruction seed(1);
  vit::VitEncoder encoder(options);
  at::Generator generator = make_generator(2);
  const torch::NoGradGuard no_grad;
  for (auto& item : encoder->named_parameters()) {
    at::Tensor& value = item.value();
    const bool is_gain = item.key().find("norm") != std::string::npos &&
                         item.key().find("weight") != std::string::npos;
    value.copy_(at::randn(value.sizes(), generator) * 0.2 + (is_gain ? 1.0 : 0.0));
  }
  return encoder;
}

at::Tensor random_pixels(std::int64_t height, std::int64_t width) {
  at::Generator generator = make_generator(3);
  return at::randn({5, 3, height, width}, generator);
}

struct Results {
  at::Tensor output;
  std::map<std::string, at::Tensor> gradients;
};

Results results_of(const vit::VitEncoder& encoder, const at::Tensor& output) {
  at::Generator generator = make_generator(4);
  const at::Tensor loss = (output * at::randn(output.sizes(), generator)).sum();
  const auto parameters = encoder->named_parameters();
  const auto gradients = torch::autograd::grad({loss}, encoder->parameters());
  Results results{.output = output.detach()};
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    results.gradients[parameters[i].key()] = gradients[i];
  }
  return results;
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).norm() / expected.norm()).item<double>();
}

TEST(MixedVit, EqualsTheModulesInFloatWithAllGradients) {
  vit::VitEncoder encoder = random_encoder();
  // The trained size, another grid of positions, and a remainder at the borders.
  for (const auto& [height, width] :
       std::vector<std::pair<int, int>>{{16, 16}, {12, 24}, {18, 21}}) {
    const at::Tensor pixels = random_pixels(height, width);
    const Results expected = results_of(encoder, encoder->forward(pixels));
    const Results found = results_of(encoder, vit::forward_mixed(*encoder, pixels, at::kFloat));
    EXPECT_EQ(found.output.scalar_type(), at::kFloat);
    EXPECT_LT(relative_error(found.output, expected.output), 1e-5);
    for (const auto& [name, gradient] : expected.gradients) {
      // The softmax does not depend on a constant added to all keys.
      if (name.ends_with("k_proj.bias")) continue;
      EXPECT_LT(relative_error(found.gradients.at(name), gradient), 1e-4)
          << name << " at " << height << "x" << width;
    }
  }
}

TEST(MixedVit, EqualsTheModulesWithOneBlock) {
  vit::VitOptions options = kSmall;
  options.num_layers = 1;
  vit::VitEncoder encoder = random_encoder(options);
  const at::Tensor pixels = random_pixels(16, 16);
  EXPECT_LT(
      relative_error(vit::forward_mixed(*encoder, pixels, at::kFloat), encoder->forward(pixels)),
      1e-5);
}

TEST(MixedVit, IsAsAccurateInBfloat16AsAutocast) {
  ROBOIMI_SKIP_WITHOUT_BFLOAT16();
  vit::VitEncoder encoder = random_encoder();
  const at::Tensor pixels = random_pixels(16, 16);
  EXPECT_NO_THROW(vit::compare_mixed_form(*encoder, pixels, at::kBFloat16));
  // Autocast around it changes nothing.
  const at::Tensor alone = vit::forward_mixed(*encoder, pixels, at::kBFloat16);
  const Autocast mixed(at::kCPU, true);
  EXPECT_TRUE(vit::forward_mixed(*encoder, pixels, at::kBFloat16).equal(alone));
}

TEST(MixedVit, ComparisonFindsAFormThatIsLessAccurate) {
  vit::VitEncoder encoder = random_encoder();
  // Half precision overflows where bfloat16 does not.
  {
    const torch::NoGradGuard no_grad;
    encoder->embeddings->patch_embeddings->projection->bias.fill_(1e6);
  }
  EXPECT_THAT(
      error_text([&] { vit::compare_mixed_form(*encoder, random_pixels(16, 16), at::kHalf); }),
      HasSubstr("the features of the encoder's bfloat16 form are less accurate"));
}

TEST(MixedVit, IsNotUsedOnACpu) {
  vit::VitEncoder encoder = random_encoder();
  const Autocast mixed(at::kCPU, true);
  EXPECT_FALSE(vit::uses_mixed_form(*encoder, random_pixels(16, 16)));
}

}  // namespace
}  // namespace roboimi
