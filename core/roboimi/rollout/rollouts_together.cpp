// run_rollouts_together(), which runs the episodes in rounds: each episode advances until it wants
// a plan or is over, on the threads of a team; then the plans of all are sampled as one batch. So
// the slowest episode of a round delays the others, but which plans form a batch depends only on
// the episodes, not on the threads. Within a round an episode takes all its control steps between
// two plans without waiting for the others.
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "roboimi/contract/agent.h"
#include "roboimi/rollout/episode.h"
#include "roboimi/rollout/evaluation_state.h"
#include "roboimi/rollout/fit.h"
#include "roboimi/rollout/outcomes.h"
#include "roboimi/rollout/rollout.h"
#include "roboimi/rollout/thread_team.h"

namespace roboimi {
namespace {

// An environment with its actor, and the episode that runs in it.
struct Place {
  std::shared_ptr<Environment> environment;
  std::unique_ptr<Actor> actor;
  std::int64_t index = 0;            // of the episode
  std::unique_ptr<Episode> episode;  // null: not yet started, or there is none
  bool wants_plan = false;
  std::optional<EpisodeOutcome> outcome;  // of an episode that is over
};

// Starts the episode if it has not started, and advances it.
void advance(Place& place, const RolloutOptions& options,
             const std::function<void()>& between_steps) {
  if (!place.episode) {
    place.episode =
        std::make_unique<Episode>(*place.actor, *place.environment, options, place.index);
  }
  place.wants_plan = place.episode->advance(between_steps);
  if (place.wants_plan) return;
  place.outcome = place.episode->finish();
  place.episode.reset();
}

// Samples the plans that the episodes of `places` want as one batch.
void plan(Agent& agent, const std::vector<Place*>& places) {
  std::vector<Place*> planning;
  std::vector<Actor*> actors;
  for (Place* place : places) {
    if (!place->wants_plan) continue;
    planning.push_back(place);
    actors.push_back(place->actor.get());
  }
  if (planning.empty()) return;
  // On a GPU the plans are computed only once accept() has copied them.
  StopWatch watch;
  const at::Tensor chunks = agent.sample_plans(agent.request_plans(actors));
  for (std::size_t i = 0; i < actors.size(); ++i) {
    actors[i]->accept(chunks[static_cast<std::int64_t>(i)]);
  }
  const double batch_ms = watch.lap_ms();
  for (Place* place : planning) place->episode->planned(batch_ms);
}

}  // namespace

RolloutSummary run_rollouts_together(Agent& agent,
                                     const std::vector<std::shared_ptr<Environment>>& environments,
                                     const RolloutOptions& options) {
  const EvaluationState evaluation(agent);
  std::vector<Place> places(environments.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    require_fit(agent, environments[i]->spec());
    places[i].environment = environments[i];
    places[i].actor = require_actor(agent, {}, agent.name());
  }
  std::mutex stop_mutex;
  const auto between_steps = [&] {
    const std::lock_guard lock(stop_mutex);
    end_if_interrupted(options.should_stop);
  };
  ThreadTeam team(std::min<std::int64_t>(options.num_threads, std::ssize(places)));
  Outcomes outcomes(options);
  std::int64_t next = 0;
  while (!outcomes.are_complete()) {
    // Give the free places the next episodes.
    std::vector<Place*> running;
    for (Place& place : places) {
      if (!place.episode) {
        if (next == options.num_episodes) continue;
        place.index = next++;
      }
      running.push_back(&place);
    }
    // Simulate and render, then plan.
    team.run(running.size(), [&](std::size_t i) { advance(*running[i], options, between_steps); });
    for (Place* place : running) {
      if (!place->outcome) continue;
      outcomes.add(*place->outcome);
      place->outcome.reset();
    }
    plan(agent, running);
  }
  return outcomes.summarize();
}

}  // namespace roboimi
