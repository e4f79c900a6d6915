// VlaAgent with actions and states that hold rotations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include <numbers>

#include "roboimi/common/random.h"
#include "tests/error_text.h"
#include "tests/plugins/vla_agent/fake_parts.h"
#include "tests/plugins/vla_agent/golden_rotations.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using enum RotationKind;

constexpr std::int64_t kLearned = 8;  // position, six numbers, gripper

// Poses [N, ...]: a position of 0.1, 0.2, ..., the golden rotations called `name`, and a gripper.
at::Tensor poses(const std::string& name, RotationKind kind) {
  const at::Tensor rotations = golden_rotation(name, to_string(kind)).to(at::kFloat);
  const at::Tensor index = at::arange(rotations.size(0), at::kFloat).unsqueeze(1);
  return at::cat({0.1 * index + 0.1, rotations, 1 - 0.02 * index}, 1);
}

// The same with six numbers for each rotation, as the head sees it.
at::Tensor learned_poses(const at::Tensor& of_positions, const std::string& name) {
  return at::cat({of_positions.slice(1, 0, 1), golden_rotation(name, "6d").to(at::kFloat),
                  of_positions.slice(1, -1)},
                 1);
}

struct PosePolicy {
  RotationKind kind;
  std::int64_t size;
  std::shared_ptr<LinearHead> head;
  std::shared_ptr<VlaAgent> agent;

  explicit PosePolicy(RotationKind kind, VlaAgentOptions options = {},
                      Horizons horizons = {1, 4, 2, Alignment::kPresentObservation})
      : kind(kind), size(size_of(kind) + 2) {
    const SeededConstruction guard(1);
    options.horizons = horizons;
    if (options.action_rotations.empty()) options.action_rotations = {{1, kind}};
    if (options.state_rotations.empty()) options.state_rotations = {{1, kind}};
    head = std::make_shared<LinearHead>(HeadSpec{kLearned, horizons.pred, horizons.obs, kLearned});
    agent = std::make_shared<VlaAgent>(options, spec(), nullptr, head);
    set_statistics(Statistics::of(poses("actions", kind)));
  }
  // Of all actions; states and differences are not scaled.
  void set_statistics(Statistics actions) {
    agent->set_statistics({.state = identity_statistics(size),
                           .action = std::move(actions),
                           .relative_action = identity_statistics(size)});
  }
  ObservationSpec spec() const {
    return {.streams = {vector_stream("state", size)}, .action_dim = size, .control_hz = 20.0};
  }
  // The commands for chunks of the head [H, 8] from one observation.
  at::Tensor command_for(const at::Tensor& state, const at::Tensor& chunk) const {
    auto actor = agent->make_actor({});
    actor->reset(0);
    actor->observe({{"state", state}});
    actor->plan_request();
    actor->accept(chunk);
    return actor->command();
  }
};

VlaAgentOptions unscaled(bool is_relative = false) {
  return {.action_normalization = Normalization::kIdentity, .relative_actions = is_relative};
}

// Kinds of equal size have weights of equal sizes.
TEST(PoseActions, OfAnotherKindThanInTrainingAreRefused) {
  const PosePolicy trained(kQuaternionXyzw), other(kQuaternionWxyz);
  const auto load = [](torch::nn::Module& to, const torch::nn::Module& from) {
    const torch::NoGradGuard no_grad;
    const auto source = from.named_buffers();
    for (auto& buffer : to.named_buffers()) buffer.value().copy_(source[buffer.key()]);
  };
  load(*other.agent, *trained.agent);
  EXPECT_THAT(error_text([&] { other.agent->make_actor({}); }),
              AllOf(HasSubstr("agent.action_rotations: the weights were trained with another kind"),
                    HasSubstr("at dimension 1 of the actions"),
                    HasSubstr("expected quaternion_xyzw; found quaternion_wxyz")));
  VlaAgentOptions options;
  options.state_rotations = {{1, kQuaternionWxyz}};
  const PosePolicy other_state(kQuaternionXyzw, options);
  load(*other_state.agent, *trained.agent);
  EXPECT_THAT(error_text([&] { other_state.agent->make_actor({}); }),
              AllOf(HasSubstr("agent.state_rotations"), HasSubstr("dimension 1 of the state")));
  const PosePolicy same(kQuaternionXyzw);
  load(*same.agent, *trained.agent);
  EXPECT_NO_THROW(same.agent->make_actor({}));
}

TEST(PoseActions, AreConditionedOnAndPredictedAsSixNumbers) {
  for (const RotationKind kind : kAllKinds) {
    const PosePolicy policy(kind, unscaled());
    const at::Tensor states = poses("states", kind), actions = poses("actions", kind);
    auto actor = policy.agent->make_actor({});
    for (std::int64_t i = 0; i < 5; ++i) {
      actor->reset(0);
      actor->observe({{"state", states[i]}});
      EXPECT_TRUE(at::allclose(actor->plan_request().condition.steps[0],
                               learned_poses(states, "states")[i], 1e-5, 1e-5));
      actor->accept(learned_poses(actions, "actions").slice(0, i, i + 4));
      EXPECT_TRUE(at::allclose(actor->command(), actions[i], 1e-5, 1e-5)) << to_string(kind);
    }
  }
}

TEST(PoseActions, NormalizeAllButTheRotation) {
  const PosePolicy policy(kRotationVector);
  // The positions are 0.1 to 2.0, the gripper is 0.62 to 1.
  const at::Tensor chunk = at::tensor({-1.F, 1.F, 0.F, 0.F, 0.F, 1.F, 0.F, 1.F}).expand({4, 8});
  EXPECT_TRUE(at::allclose(policy.command_for(poses("states", kRotationVector)[0], chunk),
                           at::tensor({0.1F, 0.F, 0.F, 0.F, 1.F}), 1e-5, 1e-5));
}

TEST(PoseActions, AreRotationsInTheFrameOfTheStateIfTheyAreRelative) {
  for (const RotationKind kind : kAllKinds) {
    const PosePolicy policy(kind, unscaled(/*is_relative=*/true));
    const at::Tensor states = poses("states", kind), actions = poses("actions", kind);
    const at::Tensor chunk = learned_poses(actions - states, "relative");
    for (std::int64_t i = 0; i < 5; ++i) {
      EXPECT_TRUE(at::allclose(policy.command_for(states[i], chunk.slice(0, i, i + 4)), actions[i],
                               1e-5, 1e-5))
          << to_string(kind);
      EXPECT_TRUE(
          at::allclose(policy.agent->normalize_actions(actions.slice(0, i, i + 1), states[i])[0],
                       chunk[i], 1e-5, 1e-5));
    }
  }
  // Absolute rotations among relative positions; and a state in other angles than the actions.
  VlaAgentOptions options = unscaled(/*is_relative=*/true);
  options.absolute_actions = {1, 2, 3, 4};
  const PosePolicy mixed(kRotationVector, options);
  const at::Tensor actions = poses("actions", kRotationVector);
  const at::Tensor states = poses("states", kRotationVector);
  at::Tensor chunk = learned_poses(actions - states, "actions");
  chunk.select(1, 7).copy_(actions.select(1, 4));
  EXPECT_TRUE(
      at::allclose(mixed.command_for(states[2], chunk.slice(0, 2, 6)), actions[2], 1e-5, 1e-5));
  options = unscaled(/*is_relative=*/true);
  options.state_rotations = {{1, kRollPitchYaw}};
  const PosePolicy other(kRotationVector, options);
  EXPECT_TRUE(
      at::allclose(other.command_for(poses("states", kRollPitchYaw)[2],
                                     learned_poses(actions - states, "relative").slice(0, 2, 6)),
                   actions[2], 1e-5, 1e-5));
}

TEST(PoseActions, OfTheLossAndOfTheActorAgree) {
  for (const RotationKind kind : kAllKinds) {
    for (const bool is_relative : {false, true}) {
      PosePolicy policy(kind, unscaled(is_relative));
      const at::Tensor state = poses("states", kind)[3];
      // The head always predicts the same chunk, which holds rotations.
      const torch::NoGradGuard no_grad;
      const at::Tensor chunk = learned_poses(poses("actions", kind), "actions").slice(0, 0, 4);
      policy.head->named_parameters()["linear.weight"].zero_();
      policy.head->named_parameters()["linear.bias"].copy_(chunk.flatten());
      // Its commands as the recorded actions have no loss.
      const at::Tensor reference = policy.agent->reference_of({{"state", state}});
      const at::Tensor commands = policy.agent->commands_of(
          policy.agent->unnormalize(chunk, reference), policy.agent->near_data());
      auto actor = policy.agent->make_actor({});
      actor->reset(0);
      EXPECT_TRUE(at::allclose(actor->act({{"state", state}}), commands[0]));
      Batch batch;
      batch.observations["state"] = state.view({1, 1, -1});
      batch.actions = commands.unsqueeze(0);
      batch.is_pad = at::zeros({1, 4}, at::kBool);
      at::Generator generator = make_generator(0);
      EXPECT_NEAR(policy.agent->loss(batch, generator).loss.item<double>(), 0.0, 1e-9)
          << to_string(kind);
    }
  }
}

TEST(PoseActions, AreAveragedAsRotations) {
  // Two chunks, with yaw just below and just above pi, or with opposite quaternions.
  VlaAgentOptions options = unscaled();
  options.ensemble_decay = 0.0;
  PosePolicy policy(kRollPitchYaw, options, {1, 4, 1, Alignment::kPresentObservation});
  auto actor = policy.agent->make_actor({});
  actor->reset(0);
  for (const double yaw : {std::numbers::pi - 0.1, std::numbers::pi + 0.3}) {
    const at::Tensor angles = at::tensor({0.0, 0.0, yaw});
    const at::Tensor row =
        at::cat({at::zeros({1}), to_6d(matrix_of(kRollPitchYaw, angles)), at::zeros({1})});
    actor->observe({{"state", at::zeros({policy.size})}});
    actor->plan_request();
    actor->accept(row.to(at::kFloat).expand({4, kLearned}));
    const double found = actor->command()[3].item<double>();
    EXPECT_NEAR(std::remainder(found - (yaw < std::numbers::pi ? std::numbers::pi - 0.1
                                                               : std::numbers::pi + 0.1),
                               2 * std::numbers::pi),
                0.0, 1e-4);
  }
}

TEST(PoseActions, ResembleTheDataTheyWereTrainedOn) {
  // Quaternions around (1, 0, 0, 0) pass w = 0. The data's keep the sign of x, and so do commands.
  PosePolicy policy(kQuaternionXyzw, unscaled());
  const at::Tensor tilt = at::linspace(-0.2, 0.2, 50);
  const at::Tensor zeros = at::zeros_like(tilt);
  const at::Tensor down = at::stack({zeros, tilt.cos(), zeros, zeros, tilt.sin(), zeros}, 1);
  policy.set_statistics(Statistics::of(down));
  for (const std::int64_t i : {0, 20, 30, 49}) {
    const at::Tensor row = policy.agent->normalize_actions(down.slice(0, i, i + 1), {});
    EXPECT_TRUE(
        at::allclose(policy.command_for(down[0], row.expand({4, kLearned})), down[i], 1e-5, 1e-6));
  }
  // The same rotations stored with w >= 0.
  const at::Tensor flipped = at::where(tilt.unsqueeze(1) < 0, -down, down);
  policy.set_statistics(Statistics::of(flipped));
  for (const std::int64_t i : {0, 20, 30, 49}) {
    const at::Tensor row = policy.agent->normalize_actions(down.slice(0, i, i + 1), {});
    EXPECT_TRUE(at::allclose(policy.command_for(down[0], row.expand({4, kLearned})), flipped[i],
                             1e-5, 1e-6));
  }
}

TEST(PoseActions, ContinueWithTheCommandThatWasSent) {
  VlaAgentOptions options = unscaled();
  options.latency_steps = 1;
  PosePolicy policy(kQuaternionWxyz, options, {2, 6, 2, Alignment::kFirstObservation});
  policy.head->continues = true;
  auto actor = policy.agent->make_actor({});
  actor->reset(0);
  const at::Tensor states = poses("states", kQuaternionWxyz);
  const at::Tensor sent = poses("actions", kQuaternionWxyz);
  actor->act({{"state", states[0]}});
  actor->replace_command(sent[4]);
  actor->act({{"state", states[1]}});
  actor->act({{"state", states[2]}});  // waits for the plan
  // The plan of step 1 knows the command of step 0, and that of step 1, which was planned.
  ASSERT_EQ(policy.head->prefixes.size(), 2U);
  const at::Tensor prefix = policy.head->prefixes.back()[0];
  EXPECT_EQ(prefix.sizes(), at::IntArrayRef({2, kLearned}));
  EXPECT_TRUE(at::allclose(prefix[0], learned_poses(sent, "actions")[4], 1e-5, 1e-5));
  at::Tensor zero = sent[0].clone();
  zero.slice(0, 1, 5).fill_(0.0);
  EXPECT_THAT(error_text([&] { actor->replace_command(zero); }),
              HasSubstr("the action holds a quaternion of length 0"));
}

TEST(PoseActions, NeedAStateThatHoldsARotation) {
  PosePolicy policy(kQuaternionWxyz, unscaled());
  auto actor = policy.agent->make_actor({});
  actor->reset(0);
  EXPECT_THAT(
      error_text([&] {
        actor->act({{"state", at::zeros({policy.size})}});
      }),
      AllOf(HasSubstr("the state holds a quaternion of length 0"), HasSubstr("dimensions 1 to 4")));
  // In a batch it becomes NaN, which ends the training.
  Batch batch;
  batch.observations["state"] = poses("states", kQuaternionWxyz).slice(0, 0, 1).unsqueeze(1);
  batch.actions = at::zeros({1, 4, policy.size});
  batch.is_pad = at::zeros({1, 4}, at::kBool);
  at::Generator generator = make_generator(0);
  EXPECT_TRUE(policy.agent->loss(batch, generator).loss.isnan().item<bool>());
}

TEST(PoseActions, AreLearned) {
  PosePolicy policy(kRotationVector, {.relative_actions = true});
  const at::Tensor states = poses("states", kRotationVector).slice(0, 0, 4);
  Batch batch;
  batch.observations["state"] = states.unsqueeze(1);
  batch.actions = poses("actions", kRotationVector).slice(0, 0, 4).unsqueeze(1).repeat({1, 4, 1});
  batch.is_pad = at::zeros({4, 4}, at::kBool);
  torch::optim::Adam optimizer(policy.agent->parameters(), 0.05);
  at::Generator generator = make_generator(0);
  for (int step = 0; step < 600; ++step) {
    optimizer.zero_grad();
    policy.agent->loss(batch, generator).loss.backward();
    optimizer.step();
  }
  // Weights and the rotations' reference travel together.
  PosePolicy loaded(kRotationVector, {.relative_actions = true});
  const torch::NoGradGuard no_grad;
  const auto copy = [](const auto& from, const auto& to) {
    for (const auto& item : from) to[item.key()].copy_(item.value());
  };
  loaded.set_statistics(identity_statistics(5));
  copy(policy.agent->named_parameters(), loaded.agent->named_parameters());
  copy(policy.agent->named_buffers(), loaded.agent->named_buffers());
  for (std::int64_t i = 0; i < 4; ++i) {
    const auto act = [&](const PosePolicy& acting) {
      auto actor = acting.agent->make_actor({});
      actor->reset(0);
      return actor->act({{"state", states[i]}});
    };
    EXPECT_TRUE(at::allclose(act(policy), batch.actions[i][0], 0.0, 0.05)) << i;
    EXPECT_TRUE(at::equal(act(loaded), act(policy)));
  }
}

TEST(PoseActions, AreCheckedAgainstTheOtherOptions) {
  const auto refused = [](VlaAgentOptions options, RotationKind kind = kQuaternionWxyz) {
    return error_text([&] { PosePolicy(kind, options); });
  };
  // A relative rotation needs one in the state, with as many values.
  VlaAgentOptions options = unscaled(/*is_relative=*/true);
  options.state_rotations = {{2, kQuaternionWxyz}};
  EXPECT_THAT(refused(options), AllOf(HasSubstr("the state has no rotation that matches"),
                                      HasSubstr("expected a rotation of 4 values at dimension 1"),
                                      HasSubstr("list 1 to 4 in agent.absolute_actions")));
  options.state_rotations = {{1, kRotationVector}};
  EXPECT_THAT(refused(options), HasSubstr("found rotation_vector"));
  options.action_rotations = {{3, kRotationVector}};
  options.state_rotations = {{0, kRotationVector}, {3, kRotationVector}};
  EXPECT_THAT(refused(options),
              HasSubstr("dimension 0 is a rotation in the state, not in the actions"));
  options = unscaled(/*is_relative=*/true);
  options.absolute_actions = {1, 2};
  EXPECT_THAT(refused(options), HasSubstr("all or none of the dimensions 1 to 4; found 2 of them"));
  // Rotations are not normalized.
  using enum Normalization;
  options = {.action_normalizations = {kMinMax, kMinMax, kIdentity, kIdentity, kIdentity, kMinMax}};
  EXPECT_THAT(refused(options), HasSubstr("expected identity for dimension 1; found min_max"));
}

TEST(PoseActions, MayBeClipped) {
  using enum Normalization;
  auto head = std::make_shared<IndexHead>(HeadSpec{kLearned, 4, 1, 5});
  head->clips = true;
  const ObservationSpec spec{.streams = {vector_stream("state", 5)}, .action_dim = 5};
  VlaAgentOptions options{.horizons = {1, 4, 2, Alignment::kPresentObservation}};
  options.action_rotations = {{1, kRotationVector}};
  EXPECT_NO_THROW(VlaAgent(options, spec, nullptr, head));
  options.action_normalizations = {kMinMax, kIdentity, kIdentity, kIdentity, kMinMax};
  EXPECT_NO_THROW(VlaAgent(options, spec, nullptr, head));
  options.action_normalizations.back() = kMeanStd;
  EXPECT_THAT(error_text([&] { VlaAgent(options, spec, nullptr, head); }), HasSubstr("min_max"));
}

TEST(PoseActions, LeaveAgentsWithoutRotationsAsTheyWere) {
  Fixture fixture;
  const auto buffers = fixture.agent->named_buffers();
  EXPECT_EQ(buffers.find("near_rotations"), nullptr);
  const at::Tensor rows = at::rand({3, kAction});
  EXPECT_TRUE(fixture.agent->commands_of(rows, {}).is_same(rows));
}

}  // namespace
}  // namespace roboimi::vla_agent
