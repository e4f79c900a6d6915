#include "plugins/zarr_dataset/zarr_dataset.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("zarr_dataset", "1.0.0", "Reads diffusion_policy's zarr datasets") {
  using namespace roboimi::zarr_dataset;
  registrar.add<roboimi::Dataset>({.name = "zarr_dataset",
                                   .description = "reads diffusion_policy's .zarr and .zarr.zip",
                                   .schema = dataset_schema(),
                                   .create = create_dataset});
}
