// The datasets of a demonstration in robomimic's layout that are read: which are cameras unless the
// config names them, and whether all are there.
#pragma once

#include <string>
#include <vector>

#include "plugins/hdf5_dataset/robomimic_layout.h"

namespace roboimi::hdf5_dataset {

// All observations that hold color frames. Throws Error if one of them has a layout that cannot be
// read, so that no policy is trained without a camera by accident.
std::vector<std::string> default_camera_keys(const Hdf5File& file, const Demo& demo,
                                             const std::vector<ObservationKey>& keys);

// Throws Error if a dataset, such as "/data/demo_2/obs/object", is absent. The next step is to
// correct the options if it is missing in the first demonstration, otherwise to leave out this one.
void require_datasets(const Hdf5File& file, const Demo& demo,
                      const std::vector<std::string>& datasets, bool is_first);

}  // namespace roboimi::hdf5_dataset
