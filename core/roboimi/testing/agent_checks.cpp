#include "roboimi/testing/agent_checks.h"

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "roboimi/testing/agent_under_test.h"
#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

using Made = std::shared_ptr<Agent>;

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
                [&] { agent_loss(*agent, random_batch(*agent)); });
  if (agent->make_actor({}) != nullptr) {
    agent->eval();
    require_error("act() without statistics", {"statistics"}, [&] { act(*agent, 1, 1); });
  }
  require(make_agent(subject)->has_statistics(),
          "has_statistics() is false after set_statistics()");
}

void loss_is_one_finite_number(const AgentSubject& subject) {
  const Made agent = make_agent(subject);
  require_one_number(agent_loss(*agent, random_batch(*agent)));
}

void same_seed_same_loss(const AgentSubject& subject) {
  const Made agent = make_agent(subject);
  agent->eval();
  const Batch batch = random_batch(*agent);
  require(agent_loss(*agent, batch).loss.item<double>() ==
              agent_loss(*agent, batch).loss.item<double>(),
          "two losses with the same seed differ; use only the generator that is passed in");
}

void default_generator_is_untouched(const AgentSubject& subject) {
  const Made agent = make_agent(subject);
  const Batch batch = random_batch(*agent);
  require_default_generator_untouched("loss()", [&] { agent_loss(*agent, batch); });
  if (agent->make_actor({}) == nullptr) return;
  agent->eval();
  require_default_generator_untouched("act()", [&] { act(*agent, 1, two_chunks(*agent)); });
}

void gradient_reaches_every_parameter(const AgentSubject& subject) {
  const Made agent = make_agent(subject);
  agent->train();
  require_gradients(*agent, agent_loss(*agent, random_batch(*agent)).loss);
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
  static const std::vector<Check<AgentSubject>> checks = [] {
    std::vector<Check<AgentSubject>> all = {
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
    };
    const auto of_actors = actor_checks();
    all.insert(all.end(), of_actors.begin(), of_actors.end());
    return all;
  }();
  return checks;
}

}  // namespace roboimi::testing
