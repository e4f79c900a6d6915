#include "app/collect_options.h"

namespace roboimi::app {

void declare(OptionFields& fields, CollectOptions& o) {
  fields.path("output", o.output, "the folder of the episodes");
  fields.integer("num_episodes", o.num_episodes, "successful episodes to record").at_least(1);
  fields.integer("first_seed", o.first_seed, "of the environment; attempt i has first_seed + i")
      .at_least(0);
  fields.integer("workers", o.workers, "processes at work").range(1, 256);
  fields.number("noise", o.noise, "perturbation of the expert's way-points, in the task's unit")
      .at_least(0.0);
  fields.integer("max_attempts", o.max_attempts, "give up after so many").at_least(1);
}

void declare(OptionFields& fields, CollectionOptions& o) {
  fields.text("name", o.name, "of the experiment");
  fields.component("env", o.env, ComponentKind::kEnvironment, "where the expert acts");
  fields.component("writer", o.writer, ComponentKind::kEpisodeWriter, "how episodes are stored");
  fields.group("collect", o.collect, "what to collect");
}

}  // namespace roboimi::app
