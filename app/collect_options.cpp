#include "app/collect_options.h"

namespace roboimi::app {

void declare(OptionFields& fields, CollectOptions& o) {
  fields.path("output", o.output, "folder in which episodes are written");
  fields.integer("num_episodes", o.num_episodes, "number of successful episodes to record")
      .at_least(1);
  fields
      .integer("first_seed", o.first_seed,
               "seed of the first attempt in the environment; attempt i uses first_seed + i")
      .at_least(0);
  fields.integer("workers", o.workers, "number of parallel processes").range(1, 256);
  fields
      .number("noise", o.noise,
              "perturbation of the expert's waypoints, in the unit of length of the task")
      .at_least(0.0);
  fields.integer("max_attempts", o.max_attempts, "number of attempts after which to give up")
      .at_least(1);
}

void declare(OptionFields& fields, CollectionOptions& o) {
  fields.text("name", o.name, "name of the collection");
  fields.component("env", o.env, ComponentKind::kEnvironment, "environment of the expert");
  fields.component("writer", o.writer, ComponentKind::kEpisodeWriter, "format of the episodes");
  fields.group("collect", o.collect, "collection of demonstrations");
}

}  // namespace roboimi::app
