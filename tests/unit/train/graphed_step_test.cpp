// Tests of the parts of a CUDA-graph step that run on a CPU; tests/cuda tests the steps themselves.
#include "roboimi/train/graphed_step.h"

#include <gtest/gtest.h>

#include "roboimi/train/metrics_window.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

Batch full_batch(double value, std::int64_t size = 2) {
  return {.observations = {{"front", at::full({size, 1, 4, 6, 3}, value, at::kByte)},
                           {"state", at::full({size, 1, 3}, value)},
                           {"env_state", at::full({size, 1, 2}, value)}},
          .features = at::full({size, 1, 7}, value),
          .actions = at::full({size, 5, 2}, value),
          .is_pad = at::full({size, 5}, value > 1.5, at::kBool)};
}

TEST(StaticBatch, CopiesEveryFieldToAFixedAddress) {
  StaticBatch place;
  EXPECT_EQ(place.copy(full_batch(1.0)), "");
  const Batch before = place.batch();
  EXPECT_EQ(place.copy(full_batch(2.0)), "");
  const Batch expected = full_batch(2.0);
  const Batch& found = place.batch();
  EXPECT_TRUE(found.observations.at("front").equal(expected.observations.at("front")));
  EXPECT_TRUE(found.features.equal(expected.features));
  EXPECT_TRUE(found.observations.state().equal(expected.observations.state()));
  EXPECT_TRUE(found.observations.env_state().equal(expected.observations.env_state()));
  EXPECT_TRUE(found.actions.equal(expected.actions));
  EXPECT_TRUE(found.is_pad.equal(expected.is_pad));
  EXPECT_EQ(found.observations.at("front").data_ptr(), before.observations.at("front").data_ptr());
  EXPECT_EQ(found.actions.data_ptr(), before.actions.data_ptr());
}

TEST(StaticBatch, DoesNotShareMemoryWithTheFirstBatch) {
  Batch first = full_batch(1.0);
  StaticBatch place;
  place.copy(first);
  first.observations.state().fill_(9.0);
  EXPECT_EQ(place.batch().observations.state()[0][0][0].item<float>(), 1.0F);
}

TEST(StaticBatch, ReportsADifferentShapeAndCopiesNothing) {
  StaticBatch place;
  place.copy(full_batch(1.0));
  EXPECT_EQ(place.copy(full_batch(2.0, 3)), "actions was Float [2, 5, 2], now Float [3, 5, 2]");
  Batch other = full_batch(2.0);
  other.observations["top"] = other.observations["front"];
  EXPECT_EQ(place.copy(other), "observations.top was none, now Byte [2, 1, 4, 6, 3]");
  other = full_batch(2.0);
  other.features = at::Tensor();
  EXPECT_EQ(place.copy(other), "features was Float [2, 1, 7], now none");
  EXPECT_EQ(place.batch().observations.state()[0][0][0].item<float>(), 1.0F);
}

TEST(MetricsWindow, GivesTheSameMeansWithTheStepOnTheDevice) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto report = [](double loss) {
    return LossReport{.loss = at::full({}, loss), .metrics = {{"other", at::full({}, 3 * loss)}}};
  };
  SingleProcess alone;
  MetricsWindow expected(c10::kCPU), found(c10::kCPU);
  // An earlier window, whose memory the next one keeps.
  found.add_batch(report(5.0), 1);
  found.add_norm(at::full({}, 1, at::kLong), at::full({}, 5.0));
  found.count_step();
  const std::size_t sums = found.num_sums();
  found.clear_in_place();
  for (const std::int64_t step : {2, 3, 4}) {
    const double loss = step == 2 ? 0.25 : nan;
    expected.add_batch(report(loss), 1);
    expected.finish_step(step, at::full({}, 0.5));
    found.add_batch(report(loss), 1);
    found.add_norm(at::full({}, step, at::kLong), at::full({}, 0.5));
    found.count_step();
    EXPECT_EQ(found.first_bad_step(), step == 2 ? -1 : 3);
    EXPECT_EQ(found.first_bad_step(), expected.first_bad_step());
  }
  EXPECT_EQ(found.num_sums(), sums);
  EXPECT_EQ(found.means(alone).at("train/gradient_norm"),
            expected.means(alone).at("train/gradient_norm"));
}

}  // namespace
}  // namespace roboimi
