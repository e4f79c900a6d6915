#include "plugins/lerobot_dataset/lerobot_dataset.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("lerobot_dataset", "1.0.0", "Reads LeRobot data sets") {
  using namespace roboimi::lerobot_dataset;
  registrar.add<roboimi::Dataset>({.name = "lerobot_dataset",
                                   .description = "reads LeRobot data sets, versions 2.0 to 3.0",
                                   .schema = dataset_schema(),
                                   .create = create_dataset});
}
