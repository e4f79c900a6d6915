#include "plugins/hdf5_dataset/hdf5_dataset.h"
#include "plugins/hdf5_dataset/hdf5_episode_writer.h"
#include "plugins/hdf5_dataset/robomimic_dataset.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("hdf5_dataset", "1.0.0", "Reads ACT's and robomimic's HDF5 files, writes ACT's") {
  using namespace roboimi::hdf5_dataset;
  registrar.add<roboimi::Dataset>({.name = "hdf5_dataset",
                                   .description = "reads episode_N.hdf5 in ACT's layout",
                                   .schema = dataset_schema(),
                                   .create = create_dataset});
  registrar.add<roboimi::Dataset>({.name = "robomimic_dataset",
                                   .description = "reads robomimic's HDF5 files, data/demo_N",
                                   .schema = robomimic_schema(),
                                   .create = create_robomimic});
  registrar.add<roboimi::EpisodeWriter>({.name = "hdf5_episode_writer",
                                         .description = "writes episode_N.hdf5 in ACT's layout",
                                         .schema = writer_schema(),
                                         .create = create_writer});
}
