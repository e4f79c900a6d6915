#include "roboimi/train/probe.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "tests/error_text.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

// Episodes of 40 rows whose label is a linear function of the representation, plus noise.
ProbeData episodes(std::int64_t count, double noise, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  at::Generator fixed = make_generator(5);
  const at::Tensor map = at::randn({8, 3}, fixed);
  ProbeData data{.representation = at::randn({40 * count, 8}, generator) * 3.0 + 1.0};
  data.labels["position"] =
      data.representation.mm(map) + noise * at::randn({40 * count, 3}, generator);
  data.labels["unrelated"] = at::randn({40 * count, 2}, generator);
  for (std::int64_t i = 0; i <= count; ++i) data.first.push_back(40 * i);
  return data;
}

TEST(LinearProbes, PredictALinearQuantityButNotAnUnrelatedOne) {
  const auto results = linear_probes(episodes(10, 0.0, 1), episodes(4, 0.0, 2), {});
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].name, "position");
  EXPECT_GT(results[0].r2, 0.9999);
  EXPECT_LT(results[0].rmse, 0.05);
  EXPECT_EQ(results[1].name, "unrelated");
  EXPECT_LT(results[1].r2, 0.05);
  EXPECT_GT(results[1].r2, -0.2);
}

TEST(LinearProbes, GiveAConfidenceIntervalOverEpisodes) {
  const ProbeData train = episodes(10, 4.0, 1), held_out = episodes(6, 4.0, 2);
  const auto results = linear_probes(train, held_out, {});
  EXPECT_LT(results[0].r2_low, results[0].r2);
  EXPECT_GT(results[0].r2_high, results[0].r2);
  EXPECT_LT(results[0].r2_high - results[0].r2_low, 0.2);
  const auto again = linear_probes(train, held_out, {});
  EXPECT_DOUBLE_EQ(again[0].r2_low, results[0].r2_low);
}

TEST(LinearProbes, AgreeWithTheClosedFormInNumpy) {
  const ProbeData train = episodes(6, 2.0, 3), held_out = episodes(3, 2.0, 4);
  const ReferenceFolder folder("probe_test");
  const auto save = [&](const char* name, const ProbeData& data) {
    std::ofstream out(folder.path() / name);
    out.precision(9);
    const at::Tensor rows = at::cat({data.representation, data.labels.at("position")}, 1);
    for (std::int64_t i = 0; i < rows.size(0); ++i) {
      for (std::int64_t j = 0; j < rows.size(1); ++j) out << rows[i][j].item<float>() << " ";
      out << "\n";
    }
  };
  save("train.txt", train);
  save("held_out.txt", held_out);
  run_reference("ridge_probe.py", folder.path().string() + " 8 0.05");
  std::ifstream in(folder.path() / "answer.txt");
  double r2 = 0.0, rmse = 0.0;
  in >> r2 >> rmse;
  const auto results = linear_probes(train, held_out, {.ridge = 0.05});
  EXPECT_NEAR(results[0].r2, r2, 1e-6);
  EXPECT_NEAR(results[0].rmse, rmse, 1e-5);
}

TEST(LinearProbes, NeedOneLabelPerRow) {
  ProbeData train = episodes(3, 0.0, 1);
  train.labels["position"] = train.labels["position"].slice(0, 1);
  EXPECT_EQ(error_text([&] { linear_probes(train, episodes(2, 0.0, 2), {}); }),
            "the label 'position' does not fit the representation: expected 120 rows; found Float "
            "[119, 3]");
}

// Labels as a plugin might return them.
class LabeledDataset : public TableDataset {
 public:
  using TableDataset::TableDataset;
  std::map<std::string, at::Tensor> labels(std::int64_t e) const override {
    return {{"box", labels_.at(static_cast<std::size_t>(e))}, {"state", at::zeros({3, 9})}};
  }
  std::vector<at::Tensor> labels_ = {at::zeros({3, 2}), at::ones({3, 2})};
};

TEST(ProbeLabels, AreCheckedInEveryEpisode) {
  const ScratchFolder folder;
  LabeledDataset data(folder / "data", {3, 3}, {});
  const auto labels = probe_labels(data, {0, 1});
  EXPECT_EQ(labels.at("box").sizes(), at::IntArrayRef({6, 2}));
  EXPECT_TRUE(at::equal(labels.at("state").slice(0, 3), data.state(1))) << "not the label";
  const auto text = [&](const at::Tensor& second) {
    data.labels_[1] = second;
    return error_text([&] { probe_labels(data, {0, 1}); });
  };
  EXPECT_THAT(text(at::zeros({2, 2})),
              HasSubstr("episode_1.raw: label 'box' of the dataset roboimi::(anonymous "
                        "namespace)::LabeledDataset does not match the dataset's spec: expected "
                        "Float [3, k], k > 0; found Float [2, 2]"));
  EXPECT_THAT(text(at::zeros({3})), HasSubstr("found Float [3]"));
  EXPECT_THAT(text(at::Tensor()), HasSubstr("found nothing"));
  EXPECT_THAT(text(at::zeros({3, 4})),
              HasSubstr("episode_1.raw: the label 'box' has another size than before: expected 2 "
                        "columns; found 4"));
}

TEST(LinearProbes, NeedTrainingAndHeldOutEpisodes) {
  try {
    linear_probes(episodes(3, 0.0, 1), ProbeData{.first = {0}}, {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("at least one of each"));
    EXPECT_THAT(error.what(), HasSubstr("3 and 0"));
  }
}

}  // namespace
}  // namespace roboimi
