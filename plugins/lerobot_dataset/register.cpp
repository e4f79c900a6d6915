#include "plugins/lerobot_dataset/lerobot_dataset.h"
#include "plugins/lerobot_dataset/lerobot_episode_writer.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("lerobot_dataset", "1.0.0", "Reads and writes LeRobot datasets") {
  using namespace roboimi::lerobot_dataset;
  registrar.add<roboimi::Dataset>({.name = "lerobot_dataset",
                                   .description = "reads LeRobot datasets, versions 2.0 to 3.0",
                                   .schema = dataset_schema(),
                                   .create = create_dataset});
  registrar.add<roboimi::EpisodeWriter>({.name = "lerobot_episode_writer",
                                         .description = "writes LeRobot datasets, version 3.0",
                                         .schema = writer_schema(),
                                         .create = create_writer});
}
