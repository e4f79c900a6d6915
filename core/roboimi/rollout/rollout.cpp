#include "roboimi/rollout/rollout.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "roboimi/common/worker_processes.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/environment.h"
#include "roboimi/rollout/episode.h"
#include "roboimi/rollout/evaluation_state.h"
#include "roboimi/rollout/fit.h"
#include "roboimi/rollout/outcomes.h"

namespace roboimi {
namespace {

std::unique_ptr<Actor> actor_for(Agent& agent, const Environment& environment) {
  require_fit(agent, environment.spec());
  return require_actor(agent, {}, agent.name());
}

EpisodeOutcome run_episode(Actor& actor, Environment& environment, const RolloutOptions& options,
                           std::int64_t index) {
  Episode episode(actor, environment, options, index);
  while (!episode.is_over()) {
    end_if_interrupted(options.should_stop);
    episode.act();
  }
  return episode.finish();
}

}  // namespace

RolloutSummary run_rollouts(Agent& agent, Environment& environment, const RolloutOptions& options) {
  const EvaluationState evaluation(agent);
  const std::unique_ptr<Actor> actor = actor_for(agent, environment);
  Outcomes outcomes(options);
  for (std::int64_t i = 0; i < options.num_episodes; ++i) {
    outcomes.add(run_episode(*actor, environment, options, i));
  }
  return outcomes.summarize();
}

RolloutSummary run_rollouts_in_workers(const std::vector<std::string>& worker_command,
                                       std::int64_t num_workers, const RolloutOptions& options) {
  using namespace std::chrono_literals;
  Outcomes outcomes(options);
  WorkerProcesses workers(worker_command, std::min(num_workers, options.num_episodes));
  std::int64_t next = 0;
  const auto hand_out = [&](std::int64_t worker) {
    if (next < options.num_episodes) workers.send(worker, std::to_string(next++));
  };
  try {
    for (std::int64_t worker = 0; worker < workers.size(); ++worker) hand_out(worker);
    while (!outcomes.are_complete()) {
      end_if_interrupted(options.should_stop);
      const auto reply = workers.receive(100ms);
      if (!reply) continue;
      const EpisodeOutcome outcome = EpisodeOutcome::from_json(reply->line);
      hand_out(reply->worker);
      outcomes.add(outcome);
    }
  } catch (const WorkerEnded& error) {
    if (error.follows_request(options.should_stop)) end_if_interrupted(options.should_stop);
    throw;
  }
  return outcomes.summarize();
}

void serve_rollouts(Agent& agent, Environment& environment, const RolloutOptions& options) {
  const EvaluationState evaluation(agent);
  const std::unique_ptr<Actor> actor = actor_for(agent, environment);
  serve_tasks([&](const std::string& task) {
    return run_episode(*actor, environment, options, std::stoll(task)).to_json();
  });
}

}  // namespace roboimi
