#include "roboimi/testing/head_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>

#include <cmath>

#include "roboimi/common/random.h"
#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

using Made = std::shared_ptr<Head>;

constexpr std::int64_t kBatch = 4;
constexpr double kLearningRate = 2e-3;
constexpr int kStepsBetweenLooks = 25;
constexpr int kDraws = 8;  // losses to average, because each depends on random noise and times

struct HeadInput {
  at::Tensor actions, cond, is_pad;
};

Made make(const HeadSubject& subject, std::uint64_t seed = 1) {
  const SeededConstruction seeded(seed);
  Made head = subject.make(subject.spec());
  require(head != nullptr, "the factory returns no head");
  return head;
}

HeadInput random_input(const HeadSpec& spec, at::ScalarType type = at::kFloat,
                       std::uint64_t seed = 2) {
  at::Generator generator = make_generator(seed);
  const auto uniform = [&](at::IntArrayRef sizes) {
    return (2 * at::rand(sizes, generator, at::TensorOptions(at::kDouble)) - 1).to(type);
  };
  return {.actions = uniform({kBatch, spec.pred_horizon, spec.action_dim}),
          .cond = uniform({kBatch, spec.obs_horizon, spec.per_step_cond_dim}),
          .is_pad = at::zeros({kBatch, spec.pred_horizon}, at::kBool)};
}

LossReport loss(Head& head, const HeadInput& input, std::uint64_t seed = 3) {
  at::Generator generator = make_generator(seed);
  return head.loss(input.actions, input.cond, input.is_pad, generator);
}

double loss_value(Head& head, const HeadInput& input, std::uint64_t seed = 3) {
  const torch::NoGradGuard no_grad;
  return loss(head, input, seed).loss.item<double>();
}

at::Tensor sample(Head& head, const at::Tensor& cond, std::uint64_t seed = 4) {
  const torch::NoGradGuard no_grad;
  at::Generator generator = make_generator(seed);
  return head.sample(cond, generator);
}

void declares_its_sizes(const HeadSubject& subject) {
  const Made head = make(subject);
  const HeadSpec wanted = subject.spec(), found = head->spec();
  require(found.action_dim == wanted.action_dim && found.pred_horizon == wanted.pred_horizon &&
              found.obs_horizon == wanted.obs_horizon &&
              found.per_step_cond_dim == wanted.per_step_cond_dim,
          "spec() differs from the HeadSpec that was passed to the factory");
}

void loss_is_one_finite_number(const HeadSubject& subject) {
  const Made head = make(subject);
  require_one_number(loss(*head, random_input(subject.spec())));
}

void same_seed_same_loss(const HeadSubject& subject) {
  const Made head = make(subject);
  const HeadInput input = random_input(subject.spec());
  require(loss_value(*head, input) == loss_value(*head, input),
          "two losses with the same seed differ; use only the generator that is passed in");
}

void same_seed_same_sample(const HeadSubject& subject) {
  const Made head = make(subject);
  head->eval();
  const HeadInput input = random_input(subject.spec());
  require(at::equal(sample(*head, input.cond), sample(*head, input.cond)),
          "two samples with the same seed differ; use only the generator that is passed in");
}

void default_generator_is_untouched(const HeadSubject& subject) {
  const Made head = make(subject);
  const HeadInput input = random_input(subject.spec());
  require_default_generator_untouched("loss()", [&] { loss(*head, input); });
  head->eval();
  require_default_generator_untouched("sample()", [&] { sample(*head, input.cond); });
}

void input_is_not_written(const HeadSubject& subject) {
  const Made head = make(subject);
  const HeadInput input = random_input(subject.spec()), before = random_input(subject.spec());
  loss(*head, input);
  sample(*head, input.cond);
  require(at::equal(input.actions, before.actions) && at::equal(input.cond, before.cond) &&
              at::equal(input.is_pad, before.is_pad),
          "loss() or sample() modifies its arguments; copy them first");
}

// A sample that is all padding must not affect the loss, whatever its values.
void padding_does_not_count(const HeadSubject& subject) {
  const Made head = make(subject);
  head->eval();
  HeadInput input = random_input(subject.spec());
  input.is_pad[kBatch - 1].fill_(true);
  const double before = loss_value(*head, input);
  input.actions[kBatch - 1].fill_(0.5);
  require(std::abs(loss_value(*head, input) - before) <= 1e-6 * std::max(1.0, std::abs(before)),
          "actions where is_pad is true change the loss; mask them before the mean");
  input.is_pad.fill_(true);
  require(std::isfinite(loss_value(*head, input)),
          "a batch that is all padding gives a loss that is not finite; divide by at least 1");
}

void gradient_reaches_every_parameter(const HeadSubject& subject) {
  const Made head = make(subject);
  require_gradients(*head, loss(*head, random_input(subject.spec())).loss);
}

// Compares (L(w + e d) - L(w - e d)) / 2e with dL/dw . d for a random direction d, in float64.
void gradient_agrees_with_differences(const HeadSubject& subject) {
  // The slope along the direction, from the gradient.
  const Made head = make(subject);
  head->to(at::kDouble);
  head->eval();
  const HeadInput input = random_input(subject.spec(), at::kDouble);
  loss(*head, input).loss.backward();
  const torch::NoGradGuard no_grad;
  at::Generator generator = make_generator(6);
  std::vector<std::pair<at::Tensor, at::Tensor>> moves;
  double slope = 0.0;
  for (at::Tensor parameter : head->parameters()) {
    if (!parameter.grad().defined()) continue;
    moves.emplace_back(parameter, at::randn(parameter.sizes(), generator, parameter.options()));
    slope += (parameter.grad() * moves.back().second).sum().item<double>();
  }
  // The same from finite differences.
  constexpr double kStep = 1e-5;
  const auto shifted = [&](double by) {
    for (auto& [parameter, direction] : moves) parameter.add_(direction, by);
    const double value = loss_value(*head, input);
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
  const Made head = make(subject);
  head->eval();
  const HeadSpec spec = subject.spec();
  for (const std::int64_t batch : {1, 3}) {
    const at::Tensor chunk = sample(*head, random_input(spec).cond.narrow(0, 0, batch));
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
  const Made head = make(subject);
  head->eval();
  const at::Tensor cond = random_input(subject.spec()).cond.narrow(0, 0, 2);
  const at::Tensor both =
      head->sample(cond, BatchGenerator({make_generator(20), make_generator(21)}));
  for (const std::int64_t row : {0, 1}) {
    const at::Tensor alone =
        sample(*head, cond.narrow(0, row, 1), 20 + static_cast<std::uint64_t>(row));
    const double difference = (both[row] - alone[0]).abs().max().item<double>();
    require(difference <= 1e-4,
            fmt::format("row {} of a batch differs by {:.1e} from a batch of one with the same "
                        "generator; draw noise with BatchGenerator::randn()",
                        row, difference));
  }
}

void a_prefix_is_kept_or_refused(const HeadSubject& subject) {
  const torch::NoGradGuard no_grad;
  const Made head = make(subject);
  head->eval();
  const HeadInput input = random_input(subject.spec());
  const at::Tensor prefix = input.actions.narrow(1, 0, 1);
  at::Generator generator = make_generator(4);
  if (!head->continues_prefix()) {
    require_error("a prefix for a head that does not support it", {"prefix"},
                  [&] { head->sample(input.cond, generator, prefix); });
    return;
  }
  const at::Tensor chunk = head->sample(input.cond, generator, prefix);
  require((chunk.narrow(1, 0, 1) - prefix).abs().max().item<double>() <= 1e-5,
          "the chunk does not start with its prefix");
}

void wrong_sizes_are_refused(const HeadSubject& subject) {
  const Made head = make(subject);
  const HeadInput good = random_input(subject.spec());
  HeadInput bad = good;
  bad.actions = at::cat({good.actions, good.actions}, 2);
  require_error("too many actions", {"actions"}, [&] { loss(*head, bad); });
  bad = good;
  bad.cond = good.cond.narrow(2, 0, 1);
  require_error("a condition that is too small", {"cond"}, [&] { loss(*head, bad); });
  bad = good;
  bad.is_pad = good.is_pad.narrow(1, 0, 1);
  require_error("a mask that is too short", {"is_pad"}, [&] { loss(*head, bad); });
  require_error("a condition without a batch dimension", {"cond"},
                [&] { sample(*head, good.cond[0]); });
}

double mean_loss(Head& head, const HeadInput& input) {
  double sum = 0.0;
  for (int draw = 0; draw < kDraws; ++draw) {
    sum += loss_value(head, input, 100 + static_cast<std::uint64_t>(draw));
  }
  return sum / kDraws;
}

void overfits_one_batch(const HeadSubject& subject) {
  const Made head = make(subject);
  const HeadInput input = random_input(subject.spec());
  const double before = mean_loss(*head, input);
  torch::optim::Adam adam(head->parameters(), torch::optim::AdamOptions(kLearningRate));
  double after = before;
  for (int step = 0; step < subject.overfit_steps() && after >= 0.5 * before; ++step) {
    adam.zero_grad();
    loss(*head, input, 1000 + static_cast<std::uint64_t>(step)).loss.backward();
    adam.step();
    if (step % kStepsBetweenLooks == 0) after = mean_loss(*head, input);
  }
  require(after < 0.5 * before,
          fmt::format("{} steps on one batch change the loss from {:.4g} to {:.4g}; it must halve",
                      subject.overfit_steps(), before, after));
}

void saves_and_loads_to_the_bit(const HeadSubject& subject) {
  const Made head = make(subject), other = make(subject, 2);
  head->eval();
  other->eval();
  perturb(*other);
  copy_through_file(*head, *other);
  const at::Tensor cond = random_input(subject.spec()).cond;
  require(at::equal(sample(*head, cond), sample(*other, cond)),
          "saving and loading the weights changes the samples; register everything that sample() "
          "depends on as a parameter or buffer");
}

void memory_does_not_grow(const HeadSubject& subject) {
  const Made head = make(subject);
  head->eval();
  const at::Tensor cond = random_input(subject.spec()).cond.narrow(0, 0, 1);
  require_no_growth("sample()", [&] { sample(*head, cond); });
}

}  // namespace

HeadSpec HeadSubject::spec() const {
  return {.action_dim = 3, .pred_horizon = 8, .obs_horizon = 2, .per_step_cond_dim = 5};
}

const std::vector<Check<HeadSubject>>& head_checks() {
  static const std::vector<Check<HeadSubject>> checks = {
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
      {"saves_and_loads_to_the_bit", "a policy is deployed from its checkpoint",
       saves_and_loads_to_the_bit},
      {"memory_does_not_grow", "a robot's process runs for days", memory_does_not_grow},
  };
  return checks;
}

}  // namespace roboimi::testing
