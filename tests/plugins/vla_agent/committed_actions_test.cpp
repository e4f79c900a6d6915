// Tests of the agent with the conformance kit: of committed actions, which need a head that
// continues a prefix, and of actions with rotations.
#include <gtest/gtest.h>

#include <memory>

#include "roboimi/testing/agent_checks.h"
#include "tests/plugins/vla_agent/fake_parts.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::vla_agent {
namespace {

// A head whose chunks begin with the prefix, or not, although it declares that they do.
class ContinuingHead final : public IndexHead {
 public:
  ContinuingHead(const HeadSpec& spec, bool is_true) : IndexHead(spec), is_true_(is_true) {
    continues = true;
  }
  at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                    const at::Tensor& prefix) override {
    at::Tensor chunk = IndexHead::sample(condition, noise, prefix);
    prefixes.clear();
    if (prefix.defined() && is_true_) chunk.narrow(1, 0, prefix.size(1)).copy_(prefix);
    return chunk;
  }

 private:
  bool is_true_;
};

class ContinuingSubject final : public testing::AgentSubject {
 public:
  ContinuingSubject(std::int64_t latency_steps, bool is_true, VlaAgentOptions options = {})
      : options_(std::move(options)), is_true_(is_true) {
    options_.horizons = {3, kHorizon, 6, Alignment::kFirstObservation};
    options_.latency_steps = latency_steps;
  }
  std::shared_ptr<Agent> make(const ObservationSpec& spec) const override {
    const auto backbone = std::make_shared<MeanBackbone>();
    const std::int64_t state_dim = options_.state_layout(spec.state_dim()).dim_6d();
    const HeadSpec head = {.action_dim = options_.action_layout(spec.action_dim).dim_6d(),
                           .pred_horizon = kHorizon,
                           .obs_horizon = options_.horizons.obs,
                           .per_step_cond_dim = backbone->feature_dim() + state_dim};
    return std::make_shared<VlaAgent>(options_, spec, backbone,
                                      std::make_shared<ContinuingHead>(head, is_true_));
  }

 private:
  VlaAgentOptions options_;
  bool is_true_;
};

testing::CheckResult checked(const ContinuingSubject& subject) {
  return run_check(
      testing::check_named(testing::agent_checks(), "plans_continue_committed_actions"), subject);
}

TEST(VlaAgentPrefix, HoldsTheCommandsThatWereSentAndThoseUntilThePlanArrives) {
  for (const std::int64_t latency : {0, 2}) {
    const testing::CheckResult result = checked(ContinuingSubject(latency, /*is_true=*/true));
    EXPECT_EQ(result.status, testing::CheckStatus::kPassed) << latency << ": " << result.message;
  }
  EXPECT_EQ(checked(ContinuingSubject(2, /*is_true=*/false)).status, testing::CheckStatus::kFailed);
}

TEST(VlaAgentPoses, PassTheChecksOfAgents) {
  const ContinuingSubject subject(2, /*is_true=*/true,
                                  {.action_rotations = {{0, RotationKind::kRollPitchYaw}},
                                   .state_rotations = {{0, RotationKind::kQuaternionXyzw}}});
  EXPECT_TRUE(testing::failing_checks(testing::agent_checks(), subject).empty());
}

}  // namespace
}  // namespace roboimi::vla_agent
