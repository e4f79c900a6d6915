#include "roboimi/testing/agent_under_test.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

using Made = std::shared_ptr<Agent>;

constexpr std::int64_t kBatch = 3;

Statistics random_statistics(std::int64_t dim, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  return Statistics::of(at::rand({64, dim}, generator));
}

}  // namespace

Made make_untrained(const AgentSubject& subject) {
  const SeededConstruction seeded(1);
  Made agent = subject.make(subject.spec());
  require(agent != nullptr, "the factory returns no agent");
  return agent;
}

Made make_agent(const AgentSubject& subject) {
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

Made make_acting(const AgentSubject& subject) {
  Made agent = make_agent(subject);
  if (agent->make_actor({}) == nullptr) {
    skip("the agent is trained for its representation and does not act");
  }
  agent->eval();
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

LossReport agent_loss(Agent& agent, const Batch& batch, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  return agent.loss(batch, generator);
}

Observation observation_at(const Agent& agent, std::int64_t step) {
  return random_observation(agent.spec(), 50 + static_cast<std::uint64_t>(step));
}

std::vector<at::Tensor> act(const Agent& agent, Actor& actor, std::uint64_t seed,
                            std::int64_t steps, const EpisodeOptions& options) {
  const torch::NoGradGuard no_grad;
  actor.reset(seed);
  std::vector<at::Tensor> commands;
  for (std::int64_t step = 0; step < steps; ++step) {
    Observation observation = observation_at(agent, options.first_observation + step);
    if (options.leave_images_out && !actor.needs_images()) {
      for (const StreamSpec& stream : agent.spec().streams) {
        if (stream.is_image()) observation.erase(stream.name);
      }
    }
    commands.push_back(actor.act(observation));
  }
  return commands;
}

std::vector<at::Tensor> act(Agent& agent, std::uint64_t seed, std::int64_t steps,
                            const EpisodeOptions& options) {
  const auto actor = agent.make_actor({});
  return act(agent, *actor, seed, steps, options);
}

std::int64_t two_chunks(const Agent& agent) { return 2 * agent.horizons().num_action + 3; }

void require_equal_commands(const std::vector<at::Tensor>& found,
                            const std::vector<at::Tensor>& expected, const std::string& message) {
  for (std::size_t step = 0; step < expected.size(); ++step) {
    require(at::equal(found[step], expected[step]), fmt::format("{} (step {})", message, step));
  }
}

}  // namespace roboimi::testing
