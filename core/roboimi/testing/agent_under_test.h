// An agent under test, and batches, observations and episodes for it, shared by the agent checks.
// Internal; not installed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/testing/agent_checks.h"

namespace roboimi::testing {

// An agent without statistics, and one with random statistics for all its inputs.
std::shared_ptr<Agent> make_untrained(const AgentSubject& subject);
std::shared_ptr<Agent> make_agent(const AgentSubject& subject);
// The latter in evaluation mode. Skips the check if the agent does not act.
std::shared_ptr<Agent> make_acting(const AgentSubject& subject);

// A batch of 3 windows without padding.
Batch random_batch(const Agent& agent);
// The loss for a generator of this seed.
LossReport agent_loss(Agent& agent, const Batch& batch, std::uint64_t seed = 6);

// The observation of a control step; each step has another one.
Observation observation_at(const Agent& agent, std::int64_t step);
// The number of steps of two chunks and a few more.
std::int64_t two_chunks(const Agent& agent);

struct EpisodeOptions {
  bool leave_images_out = false;       // where needs_images() is false
  std::int64_t first_observation = 0;  // step of observation_at() for the first step
};
// The commands, [A], of an episode's first `steps` steps.
std::vector<at::Tensor> act(const Agent& agent, Actor& actor, std::uint64_t seed,
                            std::int64_t steps, const EpisodeOptions& options = {});
// The same with a new actor.
std::vector<at::Tensor> act(Agent& agent, std::uint64_t seed, std::int64_t steps,
                            const EpisodeOptions& options = {});

// Fails with `message` unless all commands are equal.
void require_equal_commands(const std::vector<at::Tensor>& found,
                            const std::vector<at::Tensor>& expected, const std::string& message);

// The checks of acting; agent_checks() contains them.
std::vector<Check<AgentSubject>> actor_checks();

}  // namespace roboimi::testing
