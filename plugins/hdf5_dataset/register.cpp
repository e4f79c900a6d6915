#include "plugins/hdf5_dataset/hdf5_dataset.h"
#include "plugins/hdf5_dataset/hdf5_episode_writer.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("hdf5_dataset", "1.0.0", "Reads and writes episodes in ACT's HDF5 layout") {
  using namespace roboimi::hdf5_dataset;
  registrar.add<roboimi::Dataset>({.name = "hdf5_dataset",
                                   .description = "reads episode_N.hdf5 in ACT's layout",
                                   .schema = dataset_schema(),
                                   .create = create_dataset});
  registrar.add<roboimi::EpisodeWriter>({.name = "hdf5_episode_writer",
                                         .description = "writes episode_N.hdf5 in ACT's layout",
                                         .schema = writer_schema(),
                                         .create = create_writer});
}
