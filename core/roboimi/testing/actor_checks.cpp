// Checks of an agent's actors.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/testing/agent_under_test.h"
#include "roboimi/testing/sample_data.h"
#include "roboimi/testing/slow_models.h"

namespace roboimi::testing {
namespace {

using Made = std::shared_ptr<Agent>;

// Largest relative differences of commands.
constexpr double kPlanTolerance = 1e-5;    // if plans are sampled as a batch
constexpr double kPrefixTolerance = 1e-4;  // after normalizing and back

void commands_fit_the_robot(const AgentSubject& subject) {
  const Made agent = make_acting(subject);
  for (const at::Tensor& command : act(*agent, 1, two_chunks(*agent))) {
    require(command.sizes() == at::IntArrayRef({agent->spec().action_dim}),
            fmt::format("act() returns {}; return float [action_dim]", c10::str(command.sizes())));
    require(command.scalar_type() == at::kFloat && command.is_cpu() &&
                command.isfinite().all().item<bool>(),
            "act() does not return finite float32 on the CPU");
  }
}

void reset_forgets_the_past(const AgentSubject& subject) {
  const Made agent = make_acting(subject);
  const std::int64_t steps = two_chunks(*agent);
  const auto actor = agent->make_actor({});
  const auto first = act(*agent, *actor, 9, steps);
  act(*agent, *actor, 10, steps / 2);
  require_equal_commands(
      act(*agent, *actor, 9, steps), first,
      "the commands after reset() with the same seed differ; empty the queues and seed "
      "the noise in reset()");
}

void unneeded_images_may_be_missing(const AgentSubject& subject) {
  const Made agent = make_acting(subject);
  const std::int64_t steps = two_chunks(*agent);
  require_equal_commands(act(*agent, 9, steps, {.leave_images_out = true}), act(*agent, 9, steps),
                         "act() uses images although needs_images() was false");
}

void actors_do_not_disturb_each_other(const AgentSubject& subject) {
  // Act one after another.
  const Made agent = make_acting(subject);
  const std::int64_t steps = two_chunks(*agent);
  const std::vector<std::uint64_t> seeds = {9, 10, 9};
  std::vector<std::vector<at::Tensor>> alone, together(seeds.size());
  for (const std::uint64_t seed : seeds) alone.push_back(act(*agent, seed, steps));
  // Act in parallel threads.
  std::vector<std::string> errors(seeds.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    threads.emplace_back([&, i, number = at::get_num_threads()] {
      at::set_num_threads(number);
      try {
        together[i] = act(*agent, seeds[i], steps);
      } catch (const std::exception& error) {
        errors[i] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // The commands must be the same.
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    require(errors[i].empty(), "an actor fails while others act in other threads: " + errors[i]);
    require_equal_commands(
        together[i], alone[i],
        "an actor's commands depend on actors in other threads; keep an episode's state "
        "in the actor, and guard the models so that only one actor uses them at a time");
  }
}

// The chunks of the actors that want one, sampled as one batch. Returns how many there are.
std::size_t plan_together(Agent& agent, const std::vector<std::unique_ptr<Actor>>& actors) {
  // Collect the requests.
  std::vector<Actor*> planning;
  for (const auto& actor : actors) {
    if (actor->wants_plan()) planning.push_back(actor.get());
  }
  if (planning.empty()) return 0;
  const std::vector<PlanRequest> requests = agent.request_plans(planning);
  require(requests.size() == planning.size(),
          fmt::format("request_plans() returns {} requests for {} actors", requests.size(),
                      planning.size()));
  for (const Actor* actor : planning) {
    require(!actor->wants_plan(), "wants_plan() is true after plan_request()");
  }
  // Sample the chunks and hand them out.
  const at::Tensor chunks = agent.sample_plans(requests);
  // The size of the head's actions may differ from that of commands.
  require(chunks.dim() == 3 && chunks.size(0) == std::ssize(requests) &&
              chunks.size(1) == agent.horizons().pred,
          fmt::format("sample_plans() returns {} for {} requests; return [{}, pred_horizon, "
                      "size of the head's actions]",
                      c10::str(chunks.sizes()), requests.size(), requests.size()));
  for (std::size_t i = 0; i < planning.size(); ++i) {
    planning[i]->accept(chunks[static_cast<std::int64_t>(i)]);
  }
  return requests.size();
}

void batched_plans_equal_single_plans(const AgentSubject& subject) {
  const torch::NoGradGuard no_grad;
  const Made agent = make_acting(subject);
  const std::vector<std::uint64_t> seeds = {3, 4, 5};
  const std::int64_t steps = two_chunks(*agent);
  // Each actor has its own observations.
  const auto first_of = [](std::size_t i) { return 1000 * static_cast<std::int64_t>(i); };
  std::vector<std::unique_ptr<Actor>> actors;
  std::vector<std::vector<at::Tensor>> alone;
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    alone.push_back(act(*agent, seeds[i], steps, {.first_observation = first_of(i)}));
    actors.push_back(agent->make_actor({}));
    actors.back()->reset(seeds[i]);
  }
  // The commands of every step must equal those of the actor alone, not only the first plan's.
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::size_t i = 0; i < actors.size(); ++i) {
      actors[i]->observe(observation_at(*agent, first_of(i) + step));
    }
    const std::size_t planned = plan_together(*agent, actors);
    if (step == 0 && planned == 0) skip("the agent's actors plan inside act()");
    for (std::size_t i = 0; i < actors.size(); ++i) {
      const at::Tensor& expected = alone[i][static_cast<std::size_t>(step)];
      const double difference = relative_difference(actors[i]->command(), expected);
      require(difference <= kPlanTolerance,
              fmt::format("the command of step {} differs by {:.1e} if plans are sampled as a "
                          "batch; compute each row from its own request, and draw its noise from "
                          "the request's generator",
                          step, difference));
    }
  }
}

// The command for a normalized action: that of a new actor whose chunk repeats the action. Its
// observation is that of a step, because actions may be relative to it.
at::Tensor command_for(Agent& agent, const at::Tensor& action, std::int64_t step) {
  const auto actor = agent.make_actor({});
  actor->reset(1);
  actor->observe(observation_at(agent, step));
  actor->plan_request();
  actor->accept(action.unsqueeze(0).repeat({agent.horizons().pred, 1}));
  return actor->command();
}

// An actor's episode: what it returned, what the robot was sent, and the prefixes of its plans.
struct CommittedEpisode {
  std::vector<at::Tensor> returned, sent;                     // per step
  std::vector<std::pair<std::int64_t, at::Tensor>> prefixes;  // with the step of the request
};

CommittedEpisode run_with_prefixes(Agent& agent) {
  CommittedEpisode episode;
  const auto actor = agent.make_actor({});
  actor->reset(7);
  at::Tensor chunk;
  for (std::int64_t step = 0; step < two_chunks(agent); ++step) {
    // Sample a plan. It must begin with the committed actions.
    actor->observe(observation_at(agent, step));
    if (actor->wants_plan()) {
      const PlanRequest request = actor->plan_request();
      chunk = agent.sample_plans({request})[0];
      const at::Tensor& prefix = request.prefix;
      if (prefix.defined()) {
        require(
            prefix.dim() == 2 && prefix.size(0) <= chunk.size(0) && prefix.size(1) == chunk.size(1),
            fmt::format("PlanRequest::prefix is {}; the chunk is {}", c10::str(prefix.sizes()),
                        c10::str(chunk.sizes())));
        require(
            relative_difference(chunk.narrow(0, 0, prefix.size(0)), prefix) <= kPrefixTolerance,
            fmt::format("the plan of step {} does not begin with its PlanRequest::prefix", step));
        episode.prefixes.emplace_back(step, prefix);
      }
      actor->accept(chunk);
    }
    if (!chunk.defined()) return {};  // the agent's actors plan inside act()
    // The robot is sent a different command from the one returned, of an action closer to 0.5.
    episode.returned.push_back(actor->command());
    episode.sent.push_back(command_for(agent, 0.9 * chunk[0] + 0.05, step));
    actor->replace_command(episode.sent.back());
  }
  return episode;
}

void plans_continue_committed_actions(const AgentSubject& subject) {
  const torch::NoGradGuard no_grad;
  const Made agent = make_acting(subject);
  const CommittedEpisode episode = run_with_prefixes(*agent);
  if (episode.prefixes.empty()) skip("no plan of the agent has a prefix of committed actions");
  for (const auto& [planned, prefix] : episode.prefixes) {
    for (std::int64_t row = 0; row < prefix.size(0); ++row) {
      // The rows before the plan's step were sent; the others are still to be returned.
      const std::int64_t step = planned - agent->horizons().first_action() + row;
      if (step < 0 || step >= std::ssize(episode.sent)) continue;
      const auto& executed = step < planned ? episode.sent : episode.returned;
      const at::Tensor committed = command_for(*agent, prefix[row], planned);
      require(relative_difference(committed, executed[static_cast<std::size_t>(step)]) <=
                  kPrefixTolerance,
              fmt::format("row {} of the PlanRequest::prefix of step {} is not the command of step "
                          "{}; the prefix holds the commands that were sent (see "
                          "replace_command()) and those that are executed until the plan arrives",
                          row, planned, step));
    }
  }
}

// Creates an actor with a deadline; skips the check if the agent does not support deadlines.
std::unique_ptr<Actor> make_with_deadline(Agent& agent, std::chrono::nanoseconds deadline) {
  try {
    return agent.make_actor({.deadline = deadline});
  } catch (const Error& error) {
    skip(fmt::format("the agent does not support deadlines: {}", error.what()));
  }
}

void a_met_deadline_changes_no_command(const AgentSubject& subject) {
  const Made agent = make_acting(subject);
  const auto actor = make_with_deadline(*agent, std::chrono::seconds(30));
  const std::int64_t steps = two_chunks(*agent);
  require_equal_commands(act(*agent, *actor, 9, steps), act(*agent, 9, steps),
                         "a deadline changes the commands although it is met");
}

void a_deadline_is_kept(const AgentSubject& subject) {
  constexpr std::chrono::milliseconds kDeadline(5), kSlack(250), kSlowModel(600);
  const Made agent = make_acting(subject);
  // Without the delay, an agent that ignores deadlines would keep them with a small model.
  SlowModels slow(kSlowModel);
  const auto actor = make_with_deadline(*agent, kDeadline);
  actor->reset(1);
  actor->act(observation_at(*agent, 0));  // waits for the first chunk
  for (std::int64_t step = 1; step < two_chunks(*agent); ++step) {
    const Observation observation = observation_at(*agent, step);
    slow.delay_next();
    const auto start = std::chrono::steady_clock::now();
    actor->act(observation);
    require(std::chrono::steady_clock::now() - start < kDeadline + kSlack,
            fmt::format("act() takes longer than its deadline (step {}); run the models on another "
                        "thread, or throw an Error in make_actor() if a deadline is set",
                        step));
  }
}

void chunks_start_after_their_latency(const AgentSubject& subject) {
  const Made agent = make_acting(subject);
  const auto actor = agent->make_actor({});
  const std::int64_t latency = actor->latency_steps();
  require(latency >= 0 && latency < agent->horizons().pred,
          "latency_steps() is negative or exceeds a chunk");
  act(*agent, *actor, 1, agent->horizons().num_action - latency);
  // The chunk requested now may be executed no earlier than `latency` steps later.
  for (std::int64_t step = 0; step < latency; ++step) {
    actor->act(observation_at(*agent, 70 + step));
    require(actor->last_timing().plan_ms == 0.0, "a chunk is used before its latency is over");
  }
}

void statistics_travel_with_the_weights(const AgentSubject& subject) {
  const Made agent = make_acting(subject), other = make_untrained(subject);
  other->eval();
  perturb(*other);
  copy_through_file(*agent, *other);
  require(other->has_statistics(),
          "statistics are lost when weights are saved and loaded; keep them in buffers");
  require_equal_commands(act(*other, 4, two_chunks(*agent)), act(*agent, 4, two_chunks(*agent)),
                         "saving and loading the weights changes the commands");
}

void memory_does_not_grow(const AgentSubject& subject) {
  const Made agent = make_acting(subject);
  const std::int64_t steps = agent->horizons().num_action;
  const auto actor = agent->make_actor({});
  require_no_growth("act()", [&] {
    act(*agent, *actor, 1, steps);
    actor->reset(1);  // also discards chunks that are still being computed
  });
  require_no_growth("make_actor()", [&] { act(*agent, 1, 1); });
}

}  // namespace

std::vector<Check<AgentSubject>> actor_checks() {
  return {
      {"commands_fit_the_robot", "commands are sent to motors", commands_fit_the_robot},
      {"reset_forgets_the_past", "episodes must not depend on earlier ones",
       reset_forgets_the_past},
      {"unneeded_images_may_be_missing", "frames that the policy does not use are not rendered",
       unneeded_images_may_be_missing},
      {"actors_do_not_disturb_each_other", "one copy of the weights serves several robots",
       actors_do_not_disturb_each_other},
      {"batched_plans_equal_single_plans", "on a GPU many rollouts cost little more than one",
       batched_plans_equal_single_plans},
      {"plans_continue_committed_actions", "a new plan must not contradict sent commands",
       plans_continue_committed_actions},
      {"a_met_deadline_changes_no_command", "a robot must behave as in the evaluation",
       a_met_deadline_changes_no_command},
      {"a_deadline_is_kept", "a robot's control loop cannot wait", a_deadline_is_kept},
      {"chunks_start_after_their_latency", "rollouts count the chunks that a robot would miss",
       chunks_start_after_their_latency},
      {"statistics_travel_with_the_weights", "a policy is deployed from its checkpoint",
       statistics_travel_with_the_weights},
      {"memory_does_not_grow", "a robot's process runs for days", memory_does_not_grow},
  };
}

}  // namespace roboimi::testing
