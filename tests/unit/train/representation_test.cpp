#include "roboimi/train/representation.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "roboimi/common/random.h"
#include "roboimi/io/image.h"
#include "tests/acting_agent.h"
#include "tests/unit/data/embedding_cache_fixture.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

TEST(Representation, IsOfTheFirstVariantOfTheChosenEpisodes) {
  UntrainedAgent agent{ObservationSpec()};  // its representation is the features
  Embeddings embeddings;
  embeddings.first = {0, 2, 3, 80};
  embeddings.values = at::arange(320, at::kFloat).view({80, 2, 2});
  const at::Tensor found = representation_of(agent, embeddings, {0, 2}, at::kCPU);
  EXPECT_TRUE(found.equal(embeddings.of_episodes({0, 2}).select(1, 0)));
}

// An agent whose representation is the features of its backbone.
class EncodingAgent : public UntrainedAgent {
 public:
  using UntrainedAgent::UntrainedAgent;
  Backbone* backbone() const override { return backbone_.get(); }

 private:
  std::shared_ptr<MeanBackbone> backbone_ =
      std::make_shared<MeanBackbone>(std::vector<std::string>{"top", "front"});
};

TEST(Representation, IsTheSameFromFramesAsFromCachedFeatures) {
  const ScratchFolder folder;
  const auto data =
      std::make_shared<TableDataset>(folder / "data", std::vector<std::int64_t>{70, 3, 9},
                                     std::vector<std::string>{"front", "top"});
  EncodingAgent agent(data->spec());
  const Embeddings embeddings =
      cached_embeddings(*agent.backbone(), *data, {.folder = folder / "cache"});
  const FrameStore frames(data, {"front", "top"}, {.storage = FrameStorage::kStream});
  const at::Tensor found = representation_of(agent, frames, *data, {0, 2}, at::kCPU);
  EXPECT_EQ(found.size(0), 79);
  EXPECT_TRUE(found.equal(representation_of(agent, embeddings, {0, 2}, at::kCPU)));
}

TEST(RepresentationFigures, CountTheUsedDirections) {
  at::Generator generator = make_generator(1);
  const at::Tensor even = at::randn({4000, 16}, generator);
  EXPECT_NEAR(representation_metrics(even).at("effective_rank"), 16.0, 0.2);
  EXPECT_EQ(collapse_of(representation_metrics(even)), "");
  // Two directions of equal strength: exp(log 2).
  const at::Tensor two = at::cat({even.slice(1, 0, 2), at::zeros({4000, 14})}, 1);
  EXPECT_NEAR(representation_metrics(two).at("effective_rank"), 2.0, 0.01);
  EXPECT_NEAR(representation_metrics(two).at("std_mean"), 2.0 / 16.0, 0.01);
  EXPECT_EQ(representation_metrics(two).at("std_min"), 0.0);
}

TEST(RepresentationFigures, DescribeACollapse) {
  at::Generator generator = make_generator(2);
  const at::Tensor line = at::randn({500, 1}, generator) * at::ones({1, 16});
  EXPECT_THAT(collapse_of(representation_metrics(line)), HasSubstr("along one direction"));
  const at::Tensor point = at::ones({500, 16}) + 1e-5 * at::randn({500, 16}, generator);
  EXPECT_THAT(collapse_of(representation_metrics(point)), HasSubstr("nearly the same point"));
  EXPECT_EQ(representation_metrics(at::ones({5, 4})).at("effective_rank"), 1.0);
}

TEST(PcaImage, ShowsThePathFromBlueToRed) {
  // A straight path, which crosses the whole image.
  const at::Tensor path = at::linspace(-1, 1, 50).unsqueeze(1) * at::ones({1, 6});
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) / "roboimi_pca.png";
  write_pca_image(file, path);
  const at::Tensor image = read_png(file).to(at::kLong);
  const at::Tensor ink = image.sum(2) < 500;
  const at::Tensor columns = ink.any(0).nonzero();
  EXPECT_GT((columns.max() - columns.min()).item<std::int64_t>(), 400);
  const at::Tensor red = image.select(2, 0), blue = image.select(2, 2);
  EXPECT_TRUE((ink & (red > 220) & (blue < 60)).any().item<bool>());
  EXPECT_TRUE((ink & (blue > 220) & (red < 60)).any().item<bool>());
}

}  // namespace
}  // namespace roboimi
