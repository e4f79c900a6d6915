#include "roboimi/testing/agent_checks.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

using Made = std::shared_ptr<Agent>;

constexpr std::int64_t kBatch = 3;

Made make_untrained(const AgentSubject& subject) {
  const SeededConstruction seeded(1);
  Made agent = subject.make(subject.spec());
  require(agent != nullptr, "the factory returns no agent");
  return agent;
}

Statistics random_statistics(std::int64_t dim, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  return Statistics::of(at::rand({64, dim}, generator));
}

Made make(const AgentSubject& subject) {
  // Set random statistics for every input.
  Made agent = make_untrained(subject);
  const ObservationSpec& spec = agent->spec();
  DatasetStatistics statistics{.state = random_statistics(spec.state_dim(), 1),
                               .action = random_statistics(spec.action_dim, 2)};
  if (spec.env_state_dim() > 0) {
    statistics.env_state = random_statistics(spec.env_state_dim(), 3);
  }
  for (const StreamSpec& stream : spec.streams) {
    if (stream.kind != StreamKind::kVector || stream.name == kState || stream.name == kEnvState) {
      continue;
    }
    statistics.vectors[stream.name] = random_statistics(stream.shape.front(), 8);
  }
  if (Backbone* backbone = agent->backbone(); backbone != nullptr && backbone->frozen()) {
    statistics.features = random_statistics(backbone->feature_dim(), 4);
  }
  agent->set_statistics(statistics);
  return agent;
}

Batch random_batch(const Agent& agent) {
  const ObservationSpec& spec = agent.spec();
  const Horizons& horizons = agent.horizons();
  at::Generator generator = make_generator(5);
  Batch batch{.observations = random_streams(spec, kBatch, horizons.obs),
              .actions = at::rand({kBatch, horizons.pred, spec.action_dim}, generator),
              .is_pad = at::zeros({kBatch, horizons.pred}, at::kBool)};
  return batch;
}

LossReport loss(Agent& agent, const Batch& batch, std::uint64_t seed = 6) {
  at::Generator generator = make_generator(seed);
  return agent.loss(batch, generator);
}

Observation observation_at(const Agent& agent, std::int64_t step) {
  return random_observation(agent.spec(), 50 + static_cast<std::uint64_t>(step));
}

// The commands of an episode's first steps, each for a different observation.
std::vector<at::Tensor> act(const Agent& agent, Actor& actor, std::uint64_t seed,
                            std::int64_t steps, bool leave_images_out = false) {
  const torch::NoGradGuard no_grad;
  actor.reset(seed);
  std::vector<at::Tensor> commands;
  for (std::int64_t step = 0; step < steps; ++step) {
    Observation observation = observation_at(agent, step);
    if (leave_images_out && !actor.needs_images()) {
      for (const StreamSpec& stream : agent.spec().streams) {
        if (stream.is_image()) observation.erase(stream.name);
      }
    }
    commands.push_back(actor.act(observation));
  }
  return commands;
}

// The same with a new actor.
std::vector<at::Tensor> act(Agent& agent, std::uint64_t seed, std::int64_t steps,
                            bool leave_images_out = false) {
  const auto actor = agent.make_actor({});
  return act(agent, *actor, seed, steps, leave_images_out);
}

// Creates an actor with a deadline; skips the check if the agent does not support deadlines.
std::unique_ptr<Actor> make_punctual(Agent& agent, std::chrono::nanoseconds deadline) {
  try {
    return agent.make_actor({.deadline = deadline});
  } catch (const Error& error) {
    skip(fmt::format("the agent does not support deadlines: {}", error.what()));
  }
}

std::int64_t two_chunks(const Agent& agent) { return 2 * agent.horizons().num_action + 3; }

Made make_acting(const AgentSubject& subject) {
  Made agent = make(subject);
  if (agent->make_actor({}) == nullptr) {
    skip("the agent is trained for its representation and does not act");
  }
  agent->eval();
  return agent;
}

void require_equal(const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& expected,
                   const std::string& message) {
  for (std::size_t step = 0; step < expected.size(); ++step) {
    require(at::equal(found[step], expected[step]), fmt::format("{} (step {})", message, step));
  }
}

void horizons_fit_together(const AgentSubject& subject) {
  const Made agent = make_untrained(subject);
  const Horizons& h = agent->horizons();
  require(h.obs > 0 && h.pred > 0, "obs or pred of horizons() is not positive");
  require(agent->make_actor({}) == nullptr ||
              (h.num_action > 0 && h.first_action() + h.num_action <= h.pred),
          "horizons() executes actions beyond the end of the chunk");
}

void statistics_come_first(const AgentSubject& subject) {
  const Made agent = make_untrained(subject);
  require(!agent->has_statistics(), "has_statistics() is true before set_statistics()");
  require_error("loss() without statistics", {"statistics"},
                [&] { loss(*agent, random_batch(*agent)); });
  if (agent->make_actor({}) != nullptr) {
    agent->eval();
    require_error("act() without statistics", {"statistics"}, [&] { act(*agent, 1, 1); });
  }
  require(make(subject)->has_statistics(), "has_statistics() is false after set_statistics()");
}

void loss_is_one_finite_number(const AgentSubject& subject) {
  const Made agent = make(subject);
  require_one_number(loss(*agent, random_batch(*agent)));
}

void same_seed_same_loss(const AgentSubject& subject) {
  const Made agent = make(subject);
  agent->eval();
  const Batch batch = random_batch(*agent);
  require(loss(*agent, batch).loss.item<double>() == loss(*agent, batch).loss.item<double>(),
          "two losses with the same seed differ; use only the generator that is passed in");
}

void default_generator_is_untouched(const AgentSubject& subject) {
  const Made agent = make(subject);
  const Batch batch = random_batch(*agent);
  require_default_generator_untouched("loss()", [&] { loss(*agent, batch); });
  if (agent->make_actor({}) == nullptr) return;
  agent->eval();
  require_default_generator_untouched("act()", [&] { act(*agent, 1, two_chunks(*agent)); });
}

void gradient_reaches_every_parameter(const AgentSubject& subject) {
  const Made agent = make(subject);
  agent->train();
  require_gradients(*agent, loss(*agent, random_batch(*agent)).loss);
}

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
  require_equal(act(*agent, *actor, 9, steps), first,
                "the commands after reset() with the same seed differ; empty the queues and seed "
                "the noise in reset()");
}

void unneeded_images_may_be_missing(const AgentSubject& subject) {
  const Made agent = make_acting(subject);
  const std::int64_t steps = two_chunks(*agent);
  require_equal(act(*agent, 9, steps, /*leave_images_out=*/true), act(*agent, 9, steps),
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
    require_equal(together[i], alone[i],
                  "an actor's commands depend on actors in other threads; keep an episode's state "
                  "in the actor, and guard the models so that only one actor uses them at a time");
  }
}

void plans_may_be_one_batch(const AgentSubject& subject) {
  // Collect the requests of several actors.
  const torch::NoGradGuard no_grad;
  const Made agent = make_acting(subject);
  const std::vector<std::uint64_t> seeds = {3, 4, 5};
  std::vector<std::unique_ptr<Actor>> actors;
  std::vector<PlanRequest> requests;
  for (const std::uint64_t seed : seeds) {
    actors.push_back(agent->make_actor({}));
    actors.back()->reset(seed);
    actors.back()->observe(observation_at(*agent, 0));
    if (!actors.back()->wants_plan()) skip("the agent's actors plan inside act()");
    requests.push_back(actors.back()->plan_request());
    require(!actors.back()->wants_plan(), "wants_plan() is true after plan_request()");
  }
  // Plan them as one batch.
  const at::Tensor chunks = agent->sample_plans(requests);
  const Horizons& horizons = agent->horizons();
  require(chunks.sizes() == at::IntArrayRef({3, horizons.pred, agent->spec().action_dim}),
          fmt::format("sample_plans() returns {} for 3 requests; return [3, pred_horizon, "
                      "action_dim]",
                      c10::str(chunks.sizes())));
  // Each plan must equal that of the actor alone.
  for (std::size_t i = 0; i < actors.size(); ++i) {
    actors[i]->accept(chunks[static_cast<std::int64_t>(i)]);
    const at::Tensor together = actors[i]->command(), alone = act(*agent, seeds[i], 1).front();
    const double difference = (together - alone).abs().max().item<double>();
    require(difference <= 1e-5 * (1.0 + alone.abs().max().item<double>()),
            fmt::format("a plan in a batch differs by {:.1e} from the same plan alone; draw each "
                        "row's noise from its own request",
                        difference));
  }
}

void a_deadline_changes_no_command_in_time(const AgentSubject& subject) {
  const Made agent = make_acting(subject);
  const auto actor = make_punctual(*agent, std::chrono::seconds(30));
  const std::int64_t steps = two_chunks(*agent);
  require_equal(act(*agent, *actor, 9, steps), act(*agent, 9, steps),
                "a deadline changes the commands although it is met");
}

void a_deadline_is_kept(const AgentSubject& subject) {
  constexpr std::chrono::milliseconds kDeadline(5), kSlack(250);
  const Made agent = make_acting(subject);
  const auto actor = make_punctual(*agent, kDeadline);
  actor->reset(1);
  actor->act(observation_at(*agent, 0));  // waits for the first chunk
  for (std::int64_t step = 1; step < two_chunks(*agent); ++step) {
    const Observation observation = observation_at(*agent, step);
    const auto start = std::chrono::steady_clock::now();
    actor->act(observation);
    require(std::chrono::steady_clock::now() - start < kDeadline + kSlack,
            fmt::format("act() takes longer than its deadline (step {})", step));
  }
}

void a_latency_is_granted_whole(const AgentSubject& subject) {
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
  require_equal(act(*other, 4, two_chunks(*agent)), act(*agent, 4, two_chunks(*agent)),
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

ObservationSpec AgentSubject::spec() const {
  ObservationSpec spec = sample_streams();
  spec.set(vector_stream(kState, 4));
  spec.action_dim = 3;
  spec.set(vector_stream(kEnvState, 2));
  spec.control_hz = 20;
  return spec;
}

const std::vector<Check<AgentSubject>>& agent_checks() {
  static const std::vector<Check<AgentSubject>> checks = {
      {"horizons_fit_together", "training windows are cut with them", horizons_fit_together},
      {"statistics_come_first", "without statistics the commands are meaningless",
       statistics_come_first},
      {"loss_is_one_finite_number", "the trainer divides, clips and plots it",
       loss_is_one_finite_number},
      {"same_seed_same_loss", "runs must be repeatable and resumable", same_seed_same_loss},
      {"default_generator_is_untouched", "components must not change each other's random numbers",
       default_generator_is_untouched},
      {"gradient_reaches_every_parameter", "a parameter without a gradient silently never learns",
       gradient_reaches_every_parameter},
      {"commands_fit_the_robot", "commands are sent to motors", commands_fit_the_robot},
      {"reset_forgets_the_past", "episodes must not depend on earlier ones",
       reset_forgets_the_past},
      {"unneeded_images_may_be_missing", "frames that the policy does not use are not rendered",
       unneeded_images_may_be_missing},
      {"actors_do_not_disturb_each_other", "one copy of the weights serves several robots",
       actors_do_not_disturb_each_other},
      {"plans_may_be_one_batch", "on a GPU many rollouts cost little more than one",
       plans_may_be_one_batch},
      {"a_deadline_changes_no_command_in_time", "a robot must behave as in the evaluation",
       a_deadline_changes_no_command_in_time},
      {"a_deadline_is_kept", "a robot's control loop cannot wait", a_deadline_is_kept},
      {"a_latency_is_granted_whole", "rollouts count the chunks that a robot would miss",
       a_latency_is_granted_whole},
      {"statistics_travel_with_the_weights", "a policy is deployed from its checkpoint",
       statistics_travel_with_the_weights},
      {"memory_does_not_grow", "a robot's process runs for days", memory_does_not_grow},
  };
  return checks;
}

}  // namespace roboimi::testing
