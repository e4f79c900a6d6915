#include "roboimi/data/window_order.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <set>
#include <utility>
#include <vector>

#include "roboimi/common/random.h"

namespace roboimi {
namespace {

// Parts of windows 0 .. n0-1, n0 .. n0+n1-1, and so on.
std::vector<WindowOrder::Part> parts_of(const std::vector<std::int64_t>& sizes,
                                        const std::vector<double>& weights) {
  std::vector<WindowOrder::Part> parts;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    parts.push_back(
        {.windows = at::arange(first, first + sizes[i], at::kLong), .weight = weights[i]});
    first += sizes[i];
  }
  return parts;
}

std::int64_t count_from(const at::Tensor& windows, std::int64_t first, std::int64_t size) {
  return at::logical_and(windows.ge(first), windows.lt(first + size)).sum().item<std::int64_t>();
}

TEST(WindowOrder, OfOnePartIsAPermutationPerEpochWhateverTheWeight) {
  const WindowOrder order(parts_of({7}, {2.5}), 3);
  for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
    at::Generator generator = make_generator(mix_seed(3, epoch, 0));
    const auto first = static_cast<std::int64_t>(7 * epoch);
    EXPECT_TRUE(at::equal(order.windows(first, first + 7),
                          at::randperm(7, generator, at::TensorOptions(at::kLong))));
  }
}

TEST(WindowOrder, GivesEachPartItsShareOfEveryBatch) {
  const std::vector<double> weights = {3.0, 1.0, 0.25, 1.75};
  const WindowOrder order(parts_of({10, 1000, 37, 5}, weights), 1);
  const std::vector<std::int64_t> first = {0, 10, 1010, 1047}, size = {10, 1000, 37, 5};
  constexpr std::int64_t kBatch = 64;
  std::vector<std::int64_t> totals(4, 0);
  for (std::int64_t step = 0; step < 500; ++step) {
    const at::Tensor windows = order.windows(step * kBatch, (step + 1) * kBatch);
    ASSERT_EQ(windows.numel(), kBatch);
    for (std::size_t part = 0; part < 4; ++part) {
      const std::int64_t count = count_from(windows, first[part], size[part]);
      EXPECT_NEAR(static_cast<double>(count), weights[part] / 6.0 * kBatch, 4.0) << part;
      totals[part] += count;
      // The error of the sum does not grow with the number of batches.
      EXPECT_NEAR(static_cast<double>(totals[part]),
                  weights[part] / 6.0 * static_cast<double>((step + 1) * kBatch), 4.0)
          << part;
    }
  }
}

TEST(WindowOrder, DrawsAWindowAgainOnlyAfterAllOthersOfItsPart) {
  const WindowOrder order(parts_of({10, 100}, {3.0, 1.0}), 1);
  const at::Tensor windows = order.windows(0, 400);  // 300 of the first part, 100 of the second
  std::vector<std::int64_t> uses(110, 0);
  std::set<std::vector<std::int64_t>> passes;
  std::vector<std::int64_t> pass;
  for (std::int64_t i = 0; i < 400; ++i) {
    const auto window = windows[i].item<std::int64_t>();
    ++uses[static_cast<std::size_t>(window)];
    if (window >= 10) continue;
    pass.push_back(window);
    if (pass.size() == 10) passes.insert(std::exchange(pass, {}));
  }
  EXPECT_THAT(std::vector<std::int64_t>(uses.begin(), uses.begin() + 10), ::testing::Each(30));
  EXPECT_THAT(std::vector<std::int64_t>(uses.begin() + 10, uses.end()), ::testing::Each(1));
  EXPECT_EQ(passes.size(), 30U) << "each pass is shuffled anew";
}

TEST(WindowOrder, DrawsAllWindowsOfAPartEquallyOften) {
  const WindowOrder order(parts_of({50, 20}, {1.0, 1.0}), 5);
  const at::Tensor windows = order.windows(0, 100'000);
  const at::Tensor counts = windows.bincount({}, 70);
  EXPECT_LE((counts.slice(0, 0, 50) - 1000).abs().max().item<std::int64_t>(), 1);
  EXPECT_LE((counts.slice(0, 50, 70) - 2500).abs().max().item<std::int64_t>(), 1);
}

TEST(WindowOrder, IsAFunctionOfSeedAndPosition) {
  const std::vector<WindowOrder::Part> parts = parts_of({10, 13}, {0.3, 0.7});
  const WindowOrder one(parts, 7), other(parts, 7), reseeded(parts, 8);
  std::vector<at::Tensor> forward;
  for (std::int64_t step = 0; step < 90; ++step) {
    forward.push_back(one.windows(5 * step, 5 * step + 5));
  }
  for (std::int64_t step = 89; step >= 0; --step) {
    EXPECT_TRUE(
        at::equal(other.windows(5 * step, 5 * step + 5), forward[static_cast<std::size_t>(step)]));
  }
  EXPECT_FALSE(at::equal(reseeded.windows(0, 100), one.windows(0, 100)));
  // Far positions need no earlier ones.
  EXPECT_NEAR(static_cast<double>(count_from(other.windows(4'000'000'000, 4'000'000'100), 0, 10)),
              30.0, 1.0);
}

TEST(WindowOrder, DrawsFromEveryPartForExtremeWeights) {
  const WindowOrder tiny(parts_of({5, 5}, {1e-300, 1e300}), 0);
  EXPECT_GT(tiny.share(0), 0.0);
  EXPECT_NEAR(tiny.share(1), 1.0, 1e-6);
  const WindowOrder large(parts_of({5, 5}, {1.7e308, 1.7e308}), 0);
  EXPECT_DOUBLE_EQ(large.share(0), 0.5);
  // More parts than fit into a batch.
  const WindowOrder many(parts_of(std::vector<std::int64_t>(100, 3), std::vector<double>(100, 1)),
                         0);
  std::set<std::int64_t> parts;
  for (std::int64_t position = 0; position < 300; position += 4) {
    const at::Tensor windows = many.windows(position, position + 4);
    ASSERT_EQ(windows.numel(), 4);
    for (int i = 0; i < 4; ++i) parts.insert(windows[i].item<std::int64_t>() / 3);
  }
  EXPECT_GT(parts.size(), 90U);
}

}  // namespace
}  // namespace roboimi
