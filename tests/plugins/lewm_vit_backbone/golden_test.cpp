// Comparison with small committed files from tests/reference/lewm_reference.py; needs no Python.
#include "tests/plugins/lewm_vit_backbone/lewm_cases.h"

namespace roboimi::lewm_vit_backbone {
namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(ROBOIMI_SOURCE_DIR) / "tests/golden/lewm_vit";

TEST(LewmGolden, EmbeddingsMatchTransformers) {
  const TensorFile cases = read_safetensors(kFolder / "cases.safetensors");
  const CheckpointFile weights = weights_of(kFolder / "lewm4.safetensors");
  for (const char* name : {"single", "fused", "vertical", "grid", "nonsquare", "batch"}) {
    const Deviation found = deviation_of(weights, case_of(cases, name), name, 32, 2, at::kFloat);
    EXPECT_LE(found.error, 2e-5) << name;
  }
}

TEST(LewmGolden, PreprocessingMatchesTorchForEnlargingAndReducing) {
  const TensorFile cases = read_safetensors(kFolder / "cases.safetensors");
  int count = 0;
  for (; cases.tensors.contains(fmt::format("resize.{}.image", count)); ++count) {
    const at::Tensor& expected = cases.tensors.at(fmt::format("resize.{}.pixels", count));
    const at::Tensor found =
        view_fusion::normalize_and_resize(cases.tensors.at(fmt::format("resize.{}.image", count)),
                                          {expected.size(2), expected.size(3)});
    EXPECT_LE((found - expected).abs().max().item<double>(), 1e-5) << expected.sizes();
  }
  EXPECT_EQ(count, 4);
}

}  // namespace
}  // namespace roboimi::lewm_vit_backbone
