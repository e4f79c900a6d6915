// A VlaAgent in a Policy: the streams that are checked, and the commands that later plans continue.
#include "roboimi/deploy/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/checkpoint/loaded_run.h"
#include "tests/error_text.h"
#include "tests/plugins/vla_agent/fake_parts.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::HasSubstr;

constexpr Horizons kTwoObservations = {2, kHorizon, 8, Alignment::kFirstObservation};
const PolicyOptions kUnlimited = {.limits = {.range = false, .step = false}};

// The commands of head chunks, whose first element is their row, never exceed 3.
const PolicyOptions kAtMostThree = {
    .limits = {.min = {-100, -100}, .max = {3, 100}, .largest_step = {100, 100}}};

Observation seen_by(const Policy& policy, int step) {
  return observation(step, policy.needs_images());
}

TEST(VlaPolicy, ChecksEveryStreamThatTheAgentReads) {
  ObservationSpec data = spec();
  data.set(vector_stream(roboimi::kEnvState, 4));
  data.set(vector_stream("force", 6));  // not read, and therefore not demanded
  const auto agent = std::make_shared<VlaAgent>(
      VlaAgentOptions{.horizons = kTwoObservations, .use_env_state = true}, data,
      std::make_shared<MeanBackbone>(),
      std::make_shared<IndexHead>(HeadSpec{kAction, kHorizon, 2, 2 + kState + 4}));
  agent->set_statistics({.state = identity_statistics(kState),
                         .action = identity_statistics(kAction),
                         .env_state = identity_statistics(4),
                         .features = identity_statistics(2)});
  Policy policy({.agent = agent}, kUnlimited, "test");
  policy.reset(0, Policy::kUnknownCommand);
  Observation now = observation(0, true);
  const auto error = [&] { return error_or_accepted([&] { policy.act(now); }); };
  EXPECT_THAT(error(), HasSubstr("observation.env_state: 'env_state' has the wrong shape or dtype: "
                                 "expected float32 [4]; found nothing"));
  now["env_state"] = at::full({4}, std::nanf(""));
  EXPECT_THAT(error(), HasSubstr("'env_state' is not finite"));
  now["env_state"] = at::zeros({4});
  EXPECT_EQ(error(), "accepted");
}

TEST(VlaPolicy, ItsPlansContinueTheCommandsThatTheRobotWasSent) {
  const Fixture parts(kTwoObservations);
  parts.head->continues = true;
  Policy policy({.agent = parts.agent}, kAtMostThree, "test");
  policy.reset(0, Policy::kUnknownCommand);
  at::Tensor sent;
  for (int step = 0; step < 8; ++step) sent = policy.act(seen_by(policy, step)).action;
  EXPECT_EQ(sent[0].item<float>(), 3.0F) << "row 8, limited";
  policy.act(seen_by(policy, 8));
  ASSERT_EQ(parts.head->prefixes.size(), 2u);
  // Row 0 of the second chunk is step 7.
  EXPECT_TRUE(parts.head->prefixes[1].allclose(sent.view({1, 1, kAction})))
      << parts.head->prefixes[1];
}

}  // namespace
}  // namespace roboimi::vla_agent
