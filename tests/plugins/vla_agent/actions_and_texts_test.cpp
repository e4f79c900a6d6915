// VlaAgent with relative actions, normalizations per dimension, and texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/optim/adam.h>

#include <filesystem>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "tests/error_text.h"
#include "tests/plugins/vla_agent/fake_parts.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::int64_t kBytes = 16;

// Without cameras; the state has the elements of the actions.
ObservationSpec task_spec() {
  return {.streams = {vector_stream("state", kAction), text_stream("task", kBytes)},
          .action_dim = kAction,
          .control_hz = 20.0};
}

struct TaskPolicy {
  std::shared_ptr<LinearHead> head;
  std::shared_ptr<VlaAgent> agent;

  explicit TaskPolicy(VlaAgentOptions options) {
    const SeededConstruction guard(1);
    options.horizons = {1, 4, 2, Alignment::kPresentObservation};
    head = std::make_shared<LinearHead>(
        HeadSpec{kAction, 4, 1, kAction + options.language.condition_dim()});
    agent = std::make_shared<VlaAgent>(options, task_spec(), nullptr, head);
  }
};

Batch batch_of(const at::Tensor& state, const at::Tensor& actions,
               const std::vector<std::string>& texts) {
  Batch batch;
  batch.observations["state"] = state.unsqueeze(1);
  std::vector<at::Tensor> rows;
  for (const std::string& text : texts) rows.push_back(text_tensor(text, kBytes));
  batch.observations["task"] = at::stack(rows).unsqueeze(1);
  batch.actions = actions;
  batch.is_pad = at::zeros({actions.size(0), actions.size(1)}, at::kBool);
  return batch;
}

Observation observe(const at::Tensor& state, const std::string& text) {
  return {{"state", state}, {"task", text_tensor(text, kBytes)}};
}

DatasetStatistics statistics() {
  return {.state = identity_statistics(kAction),
          .action = identity_statistics(kAction),
          .relative_action = identity_statistics(kAction),
          .texts = {{"task", {"lift", "push"}}}};
}

TEST(RelativeActions, AreDifferencesToTheStateOfTheLastObservation) {
  TaskPolicy policy({.relative_actions = true, .absolute_actions = {1}});
  DatasetStatistics known = statistics();
  known.relative_action->max = at::full({kAction}, 3.0);  // min -1: shift 1, scale 1/2
  policy.agent->set_statistics(known);
  // The chunk's relative values 0.5 are unnormalized to 2, then the state is added to dimension 0.
  auto actor = policy.agent->make_actor({});
  actor->reset(0);
  actor->observe(observe(at::tensor({10.0F, 20.0F}), "lift"));
  ASSERT_TRUE(actor->wants_plan());
  actor->plan_request();
  actor->accept(at::full({4, kAction}, 0.5));
  EXPECT_TRUE(at::allclose(actor->command(), at::tensor({12.0F, 0.5F})));
  // The rest of the chunk refers to the same state, although the robot has moved.
  actor->observe(observe(at::tensor({11.0F, 20.0F}), "lift"));
  EXPECT_TRUE(at::allclose(actor->command(), at::tensor({12.0F, 0.5F})));
}

TEST(RelativeActions, OfTheLossAndOfTheActorAgree) {
  for (const bool is_relative : {false, true}) {
    TaskPolicy policy({.relative_actions = is_relative});
    policy.agent->set_statistics(statistics());
    const at::Tensor state = at::tensor({0.25F, -0.5F});
    auto actor = policy.agent->make_actor({});
    actor->reset(0);
    const at::Tensor command = actor->act(observe(state, "lift"));
    // The actor's own chunk as the recorded actions has no loss.
    at::Tensor chunk =
        policy.head->sample({state.view({1, 1, 2})}, BatchGenerator(std::vector<at::Generator>()));
    if (is_relative) chunk = chunk + state;
    EXPECT_TRUE(at::allclose(chunk[0][0], command));
    at::Generator generator = make_generator(0);
    const Batch batch = batch_of(state.unsqueeze(0), chunk.detach(), {"lift"});
    EXPECT_NEAR(policy.agent->loss(batch, generator).loss.item<double>(), 0.0, 1e-10);
  }
}

TEST(RelativeActions, AreTheOnlyOnesThatNeedTheirStatistics) {
  EXPECT_TRUE(TaskPolicy({.relative_actions = true}).agent->uses_relative_actions());
  EXPECT_FALSE(TaskPolicy({}).agent->uses_relative_actions());
}

TEST(RelativeActions, NeedAStateOfTheActionsSize) {
  auto head = std::make_shared<IndexHead>(HeadSpec{kAction, kHorizon, 2, kState});
  EXPECT_THAT(
      error_text([&] {
        VlaAgent({.horizons = {2, kHorizon, 8}, .relative_actions = true}, spec(), nullptr, head);
      }),
      AllOf(HasSubstr("agent.actions"), HasSubstr("expected a state of size 2; found size 3")));
  EXPECT_THAT(error_text([] { TaskPolicy({.absolute_actions = {1}}); }),
              HasSubstr("agent.absolute_actions"));
  EXPECT_THAT(error_text([] { TaskPolicy({.relative_actions = true, .absolute_actions = {2}}); }),
              HasSubstr("expected 0 to 1; found 2"));
  TaskPolicy policy({.relative_actions = true});
  DatasetStatistics known = statistics();
  known.relative_action.reset();
  EXPECT_THAT(error_text([&] { policy.agent->set_statistics(known); }),
              HasSubstr("no statistics of relative actions"));
}

TEST(ActionNormalizations, AreOnePerDimension) {
  using enum Normalization;
  TaskPolicy policy({.action_normalizations = {kIdentity, kMinMax}});
  DatasetStatistics known = statistics();
  known.action.max = at::full({kAction}, 3.0);
  policy.agent->set_statistics(known);
  EXPECT_TRUE(at::allclose(policy.agent->unnormalize(at::full({1, kAction}, 0.5), {}),
                           at::tensor({0.5F, 2.0F})));
  EXPECT_THAT(error_text([] {
                TaskPolicy({.action_normalizations = {kMinMax, kMinMax, kMinMax}});
              }),
              HasSubstr("expected one for each of 2 actions; found 3"));
}

TEST(Texts, LeadToAnotherMotionFromTheSameObservation) {
  TaskPolicy policy({.language = {.kind = Language::kTaskEmbedding, .dim = 4, .max_texts = 3}});
  policy.agent->set_statistics(statistics());
  // "lift" moves dimension 0, "push" dimension 1, both from the same states.
  const at::Tensor state = at::zeros({2, kAction});
  at::Tensor actions = at::zeros({2, 4, kAction});
  actions[0].select(1, 0).fill_(0.8);
  actions[1].select(1, 1).fill_(-0.6);
  const Batch batch = batch_of(state, actions, {"lift", "push"});
  torch::optim::Adam optimizer(policy.agent->parameters(), 0.05);
  at::Generator generator = make_generator(0);
  for (int step = 0; step < 200; ++step) {
    optimizer.zero_grad();
    policy.agent->loss(batch, generator).loss.backward();
    optimizer.step();
  }
  const auto first_command = [&](const std::string& text) {
    auto actor = policy.agent->make_actor({});
    actor->reset(0);
    return actor->act(observe(state[0], text));
  };
  EXPECT_TRUE(at::allclose(first_command("lift"), at::tensor({0.8F, 0.0F}), 0.0, 0.02));
  EXPECT_TRUE(at::allclose(first_command("push"), at::tensor({0.0F, -0.6F}), 0.0, 0.02));
  EXPECT_THAT(
      error_text([&] { first_command("turn"); }),
      AllOf(HasSubstr("does not know the string 'turn'"), HasSubstr("one of 'lift', 'push'")));
}

TEST(Texts, AreKeptInTheWeights) {
  const VlaAgentOptions options{.language = {.kind = Language::kTaskEmbedding, .dim = 4}};
  TaskPolicy trained(options), loaded(options);
  trained.agent->set_statistics(statistics());
  EXPECT_FALSE(loaded.agent->has_statistics());
  const torch::NoGradGuard no_grad;
  const auto copy = [](const auto& from, const auto& to) {
    for (const auto& item : from) to[item.key()].copy_(item.value());
  };
  copy(trained.agent->named_parameters(), loaded.agent->named_parameters());
  copy(trained.agent->named_buffers(), loaded.agent->named_buffers());
  const auto act = [](const TaskPolicy& policy) {
    auto actor = policy.agent->make_actor({});
    actor->reset(0);
    return actor->act(observe(at::zeros({kAction}), "push"));
  };
  EXPECT_TRUE(at::equal(act(loaded), act(trained)));
}

TEST(Texts, AreCountedAndNeedAStream) {
  TaskPolicy policy({.language = {.kind = Language::kTaskEmbedding, .dim = 4, .max_texts = 1}});
  EXPECT_THAT(error_text([&] { policy.agent->set_statistics(statistics()); }),
              AllOf(HasSubstr("2 different strings"), HasSubstr("increase agent.max_texts")));
  EXPECT_THAT(error_text([] {
                TaskPolicy({.language = {.kind = Language::kTaskEmbedding, .stream = "goal"}});
              }),
              HasSubstr("no text stream 'goal'"));
}

TEST(Texts, CanBeEncodedByATorchScriptModule) {
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) / "roboimi_text_encoder.pt";
  torch::jit::Module module("encoder");
  module.define(R"(
    def forward(self, texts: List[str]):
        rows: List[List[float]] = []
        for text in texts:
            rows.append([float(len(text)), float(ord(text[0]))])
        return torch.tensor(rows)
  )");
  module.save(file.string());
  TaskPolicy policy({.language = {.kind = Language::kTorchScript, .dim = 2, .encoder = file}});
  policy.agent->set_statistics(statistics());
  auto actor = policy.agent->make_actor({});
  const auto text_part = [&](const std::string& text) {
    actor->reset(0);
    actor->observe(observe(at::zeros({kAction}), text));
    return actor->plan_request().condition.steps[0].slice(0, kAction);
  };
  EXPECT_TRUE(at::equal(text_part("lift"), at::tensor({4.0F, 108.0F})));
  EXPECT_TRUE(at::equal(text_part("turn it"), at::tensor({7.0F, 116.0F})));  // not in the data
  std::filesystem::remove(file);
  EXPECT_THAT(error_text([&] {
                TaskPolicy({.language = {.kind = Language::kTorchScript, .encoder = file}});
              }),
              HasSubstr("cannot load the text encoder"));
}

}  // namespace
}  // namespace roboimi::vla_agent
