// Comparison of the full-size encoder with the installed transformers package.
#include "tests/bfloat16.h"
#include "tests/plugins/lewm_vit_backbone/lewm_cases.h"
#include "tests/reference/run_reference.h"

namespace roboimi::lewm_vit_backbone {
namespace {

constexpr std::int64_t kSide = 224, kHeads = 3;
const std::vector<std::string> kCases = {"single", "fused",     "vertical",
                                         "grid",   "nonsquare", "batch"};

class TransformersParity : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ReferenceFolder("lewm_parity");
    run_reference("lewm_reference.py", fmt::format("full {}", folder_->path().string()));
  }
  static void TearDownTestSuite() { delete folder_; }

  static TensorFile cases() { return read_safetensors(folder_->path() / "cases.safetensors"); }
  static CheckpointFile weights(const char* file) { return weights_of(folder_->path() / file); }

  static inline ReferenceFolder* folder_ = nullptr;
};

TEST_F(TransformersParity, HoldsInFp32ForBothKeyLayouts) {
  const TensorFile all = cases();
  for (const char* file : {"lewm5.safetensors", "lewm4.safetensors"}) {
    for (const std::string& name : kCases) {
      const Deviation found =
          deviation_of(weights(file), case_of(all, name), name, kSide, kHeads, at::kFloat);
      print_row(fmt::format("{} ({})", name, file), "fp32", found);
      EXPECT_LE(found.error, 2e-5) << file << " " << name;
      EXPECT_GE(found.cosine, 0.999999) << file << " " << name;
    }
  }
}

TEST_F(TransformersParity, HoldsForTheDirectionInBf16) {
  ROBOIMI_SKIP_WITHOUT_BFLOAT16();
  const TensorFile all = cases();
  for (const std::string& name : kCases) {
    const Deviation found = deviation_of(weights("lewm5.safetensors"), case_of(all, name), name,
                                         kSide, kHeads, at::kBFloat16);
    print_row(name, "bf16", found);
    EXPECT_GE(found.cosine, 0.999) << name;
  }
}

TEST_F(TransformersParity, HoldsForTheDifferentiableEncoder) {
  const Case test = case_of(cases(), "nonsquare");
  LewmVitOptions options{.fusion = fusion_of("nonsquare", kSide)};
  const CheckpointFile file = weights("lewm5.safetensors");
  LEWMViTBackbone backbone(options, test.spec, &file, "reference");
  const at::Tensor pixels = view_fusion::fuse_views(
      {test.images.at("front").flatten(0, 1), test.images.at("top").flatten(0, 1),
       test.images.at("r_vis").flatten(0, 1)},
      options.fusion);
  EXPECT_EQ(pixels.sizes(), (std::vector<std::int64_t>{1, 3, 224, 672}));
  const at::Tensor found = backbone.projector->forward(backbone.encoder->forward(pixels));
  const Deviation deviation = compare(found, test.embedding);
  print_row("nonsquare, training path", "fp32", deviation);
  EXPECT_LE(deviation.error, 2e-5);
}

}  // namespace
}  // namespace roboimi::lewm_vit_backbone
