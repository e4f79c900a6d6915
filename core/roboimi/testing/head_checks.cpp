#include "roboimi/testing/head_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>

#include <cmath>

#include "roboimi/common/random.h"
#include "roboimi/testing/head_samples.h"
#include "roboimi/testing/head_token_checks.h"
#include "roboimi/testing/same_tensor.h"
#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

constexpr double kLearningRate = 2e-3;
constexpr int kStepsBetweenLooks = 25;
constexpr int kDraws = 8;  // losses to average, because each depends on random noise and times

BuiltHead make_for_evaluation(const HeadSubject& subject, std::uint64_t seed = 1) {
  BuiltHead built = make_head(subject, seed);
  built.head->eval();
  return built;
}

void declares_its_sizes(const HeadSubject& subject) {
  const auto [head, spec] = make_head(subject);
  const HeadSpec& found = head->spec();
  require(found.action_dim == spec.action_dim && found.pred_horizon == spec.pred_horizon &&
              found.obs_horizon == spec.obs_horizon &&
              found.per_step_cond_dim == spec.per_step_cond_dim &&
              found.token_dim == spec.token_dim,
          "spec() differs from the HeadSpec that was passed to the factory");
}

void loss_is_one_finite_number(const HeadSubject& subject) {
  const auto [head, spec] = make_head(subject);
  require_one_number(head_loss(*head, random_input(spec)));
}

void same_seed_same_loss(const HeadSubject& subject) {
  const auto [head, spec] = make_head(subject);
  const HeadInput input = random_input(spec);
  require(head_loss_value(*head, input) == head_loss_value(*head, input),
          "two losses with the same seed differ; use only the generator that is passed in");
}

void same_seed_same_sample(const HeadSubject& subject) {
  const auto [head, spec] = make_for_evaluation(subject);
  const HeadInput input = random_input(spec);
  require(at::equal(head_sample(*head, input.cond), head_sample(*head, input.cond)),
          "two samples with the same seed differ; use only the generator that is passed in");
}

void default_generator_is_untouched(const HeadSubject& subject) {
  const BuiltHead built = make_head(subject);
  Head& head = *built.head;
  const HeadInput input = random_input(built.spec);
  require_default_generator_untouched("loss()", [&] { head_loss(head, input); });
  head.eval();
  require_default_generator_untouched("sample()", [&] { head_sample(head, input.cond); });
}

void input_is_not_written(const HeadSubject& subject) {
  const auto [head, spec] = make_head(subject);
  const HeadInput input = random_input(spec), before = random_input(spec);
  head_loss(*head, input);
  head_sample(*head, input.cond);
  require(same_tensor(input.actions, before.actions) && same_tensor(input.is_pad, before.is_pad) &&
              same_tensor(input.cond.steps, before.cond.steps) &&
              same_tensor(input.cond.tokens, before.cond.tokens) &&
              same_tensor(input.cond.token_mask, before.cond.token_mask),
          "loss() or sample() modifies its arguments; copy them first");
}

// A sample that is all padding must not affect the loss, regardless of its values.
void padding_does_not_count(const HeadSubject& subject) {
  const auto [head, spec] = make_for_evaluation(subject);
  HeadInput input = random_input(spec);
  input.is_pad[kHeadBatch - 1].fill_(true);
  const double before = head_loss_value(*head, input);
  input.actions[kHeadBatch - 1].fill_(0.5);
  require(
      std::abs(head_loss_value(*head, input) - before) <= 1e-6 * std::max(1.0, std::abs(before)),
      "actions where is_pad is true change the loss; mask them before the mean");
  input.is_pad.fill_(true);
  require(std::isfinite(head_loss_value(*head, input)),
          "a batch that is all padding gives a loss that is not finite; divide by at least 1");
}

void gradient_reaches_every_parameter(const HeadSubject& subject) {
  const auto [head, spec] = make_head(subject);
  require_gradients(*head, head_loss(*head, random_input(spec)).loss);
}

// Compares (L(w + e d) - L(w - e d)) / 2e with dL/dw . d for a random direction d, in float64.
void gradient_agrees_with_differences(const HeadSubject& subject) {
  // The slope along the direction, from the gradient.
  const BuiltHead built = make_head(subject);
  Head& head = *built.head;
  head.to(at::kDouble);
  head.eval();
  const HeadInput input = random_input(built.spec, at::kDouble);
  head_loss(head, input).loss.backward();
  const torch::NoGradGuard no_grad;
  at::Generator generator = make_generator(6);
  std::vector<std::pair<at::Tensor, at::Tensor>> moves;
  double slope = 0.0;
  for (at::Tensor parameter : head.parameters()) {
    if (!parameter.grad().defined()) continue;
    moves.emplace_back(parameter, at::randn(parameter.sizes(), generator, parameter.options()));
    slope += (parameter.grad() * moves.back().second).sum().item<double>();
  }
  // The same from finite differences.
  constexpr double kStep = 1e-5;
  const auto shifted = [&](double by) {
    for (auto& [parameter, direction] : moves) parameter.add_(direction, by);
    const double value = head_loss_value(head, input);
    for (auto& [parameter, direction] : moves) parameter.add_(direction, -by);
    return value;
  };
  const double difference = (shifted(kStep) - shifted(-kStep)) / (2 * kStep);
  require(std::abs(slope - difference) <= 1e-4 * std::max(1.0, std::abs(difference)),
          fmt::format("the slope along a direction is {:.6g} from the gradient, but {:.6g} from "
                      "finite differences; if the objective stops gradients on purpose, skip this "
                      "check and test against a reference",
                      slope, difference));
}

void samples_are_as_declared(const HeadSubject& subject) {
  const auto [head, spec] = make_for_evaluation(subject);
  for (const std::int64_t batch : {1, 3}) {
    const at::Tensor chunk = head_sample(*head, rows(random_input(spec).cond, 0, batch));
    require(
        chunk.sizes() == at::IntArrayRef({batch, spec.pred_horizon, spec.action_dim}),
        fmt::format("sample() returns {} for batch {}; return [batch, pred_horizon, action_dim]",
                    c10::str(chunk.sizes()), batch));
    require(chunk.isfinite().all().item<bool>(), "sample() returns values that are not finite");
    require(!head->clips_actions() || chunk.abs().max().item<double>() <= 1.0,
            "samples exceed [-1, 1] although clips_actions() is true");
  }
}

void rows_draw_their_own_noise(const HeadSubject& subject) {
  const torch::NoGradGuard no_grad;
  const auto [head, spec] = make_for_evaluation(subject);
  const Condition cond = rows(random_input(spec).cond, 0, 2);
  const at::Tensor both =
      head->sample(cond, BatchGenerator({make_generator(20), make_generator(21)}));
  for (const std::int64_t row : {0, 1}) {
    const at::Tensor alone =
        head_sample(*head, rows(cond, row, 1), 20 + static_cast<std::uint64_t>(row));
    const double difference = (both[row] - alone[0]).abs().max().item<double>();
    require(difference <= 1e-4,
            fmt::format("row {} of a batch differs by {:.1e} from a batch of one with the same "
                        "generator; draw noise with BatchGenerator::randn()",
                        row, difference));
  }
}

void a_prefix_is_kept_or_refused(const HeadSubject& subject) {
  const torch::NoGradGuard no_grad;
  const BuiltHead built = make_for_evaluation(subject);
  Head& head = *built.head;
  const HeadInput input = random_input(built.spec);
  const at::Tensor prefix = input.actions.narrow(1, 0, 1);
  at::Generator generator = make_generator(4);
  if (!head.continues_prefix()) {
    require_error("a prefix for a head that does not support it", {"prefix"},
                  [&] { head.sample(input.cond, generator, prefix); });
    return;
  }
  const at::Tensor chunk = head.sample(input.cond, generator, prefix);
  require((chunk.narrow(1, 0, 1) - prefix).abs().max().item<double>() <= 1e-5,
          "the chunk does not start with its prefix");
}

void wrong_sizes_are_refused(const HeadSubject& subject) {
  const BuiltHead built = make_head(subject);
  Head& head = *built.head;
  const HeadInput good = random_input(built.spec);
  HeadInput bad = good;
  bad.actions = at::cat({good.actions, good.actions}, 2);
  require_error("too many actions", {"actions"}, [&] { head_loss(head, bad); });
  bad = good;
  bad.cond.steps = good.cond.steps.narrow(2, 0, 1);
  require_error("a condition that is too small", {"cond"}, [&] { head_loss(head, bad); });
  bad = good;
  bad.is_pad = good.is_pad.narrow(1, 0, 1);
  require_error("a mask that is too short", {"is_pad"}, [&] { head_loss(head, bad); });
  bad = good;
  bad.cond.steps = good.cond.steps[0];
  require_error("a condition without a batch dimension", {"cond"},
                [&] { head_sample(head, bad.cond); });
}

double mean_loss(Head& head, const HeadInput& input) {
  double sum = 0.0;
  for (int draw = 0; draw < kDraws; ++draw) {
    sum += head_loss_value(head, input, 100 + static_cast<std::uint64_t>(draw));
  }
  return sum / kDraws;
}

void overfits_one_batch(const HeadSubject& subject) {
  const auto [head, spec] = make_head(subject);
  const HeadInput input = random_input(spec);
  const double before = mean_loss(*head, input);
  torch::optim::Adam adam(head->parameters(), torch::optim::AdamOptions(kLearningRate));
  double after = before;
  const int limit = subject.overfit_steps();
  for (int step = 1; step <= limit && after >= 0.5 * before; ++step) {
    adam.zero_grad();
    head_loss(*head, input, 1000 + static_cast<std::uint64_t>(step)).loss.backward();
    adam.step();
    if (step % kStepsBetweenLooks == 0 || step == limit) after = mean_loss(*head, input);
  }
  require(after < 0.5 * before,
          fmt::format("{} steps on one batch change the loss from {:.4g} to {:.4g}; it must halve",
                      limit, before, after));
}

void saving_and_loading_is_exact(const HeadSubject& subject) {
  const auto [head, spec] = make_for_evaluation(subject);
  const std::shared_ptr<Head> other = make_for_evaluation(subject, 2).head;
  perturb(*other);
  copy_through_file(*head, *other);
  const Condition cond = random_input(spec).cond;
  require(at::equal(head_sample(*head, cond), head_sample(*other, cond)),
          "saving and loading the weights changes the samples; register everything that sample() "
          "depends on as a parameter or buffer");
}

void memory_does_not_grow(const HeadSubject& subject) {
  const BuiltHead built = make_for_evaluation(subject);
  Head& head = *built.head;
  const Condition cond = rows(random_input(built.spec).cond, 0, 1);
  require_no_growth("sample()", [&] { head_sample(head, cond); });
}

std::vector<Check<HeadSubject>> with_token_checks(std::vector<Check<HeadSubject>> checks) {
  const auto& more = head_token_checks();
  checks.insert(checks.end(), more.begin(), more.end());
  return checks;
}

}  // namespace

HeadSpec HeadSubject::spec() const {
  return {.action_dim = 3,
          .pred_horizon = 8,
          .obs_horizon = 2,
          .per_step_cond_dim = 5,
          .token_dim = kTokenDim};
}

const std::vector<Check<HeadSubject>>& head_checks() {
  static const std::vector<Check<HeadSubject>> checks = with_token_checks({
      {"declares_its_sizes", "the agent builds its condition for these sizes", declares_its_sizes},
      {"loss_is_one_finite_number", "the trainer divides, clips and plots it",
       loss_is_one_finite_number},
      {"same_seed_same_loss", "runs must be repeatable and resumable", same_seed_same_loss},
      {"same_seed_same_sample", "evaluations must be comparable", same_seed_same_sample},
      {"default_generator_is_untouched", "components must not change each other's random numbers",
       default_generator_is_untouched},
      {"input_is_not_written", "batches are shared", input_is_not_written},
      {"padding_does_not_count", "episodes end inside a chunk", padding_does_not_count},
      {"gradient_reaches_every_parameter", "a parameter without a gradient silently never learns",
       gradient_reaches_every_parameter},
      {"gradient_agrees_with_differences", "a wrong backward pass optimizes something else",
       gradient_agrees_with_differences},
      {"samples_are_as_declared", "the agent executes these rows", samples_are_as_declared},
      {"rows_draw_their_own_noise", "plans of several robots are computed as one batch",
       rows_draw_their_own_noise},
      {"a_prefix_is_kept_or_refused", "actions that a robot is committed to cannot change",
       a_prefix_is_kept_or_refused},
      {"wrong_sizes_are_refused", "an accidental broadcast would train silently",
       wrong_sizes_are_refused},
      {"overfits_one_batch", "a head that cannot learn one batch cannot learn at all",
       overfits_one_batch},
      {"saving_and_loading_is_exact", "a policy is deployed from its checkpoint",
       saving_and_loading_is_exact},
      {"memory_does_not_grow", "a robot's process runs for days", memory_does_not_grow},
  });
  return checks;
}

}  // namespace roboimi::testing
