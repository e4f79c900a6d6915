#include "plugins/hdf5_dataset/robomimic_keys.h"

#include <fmt/format.h>

#include <utility>

#include "plugins/hdf5_dataset/camera_layout.h"
#include "roboimi/common/error.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::hdf5_dataset {

std::vector<std::string> default_camera_keys(const Hdf5File& file, const Demo& demo,
                                             const std::vector<ObservationKey>& keys) {
  std::vector<std::string> cameras;
  for (const ObservationKey& key : keys) {
    if (!seems_color(key.type, key.shape)) continue;
    cameras.push_back(key.name);
    try {
      frame_storage(file, demo.group() + "/obs/" + key.name, demo.name + "/" + key.name,
                    key.shape[0]);
    } catch (const Error& error) {
      Error::Parts parts = error.parts();
      if (!parts.next.empty()) parts.next += "; ";
      parts.next += "to train without it, name the cameras in data.camera_names";
      throw Error(std::move(parts));
    }
  }
  return cameras;
}

void require_datasets(const Hdf5File& file, const Demo& demo,
                      const std::vector<std::string>& datasets, bool is_first) {
  for (const std::string& dataset : datasets) {
    try {
      file.shape(dataset);
    } catch (const Error& error) {
      Error::Parts parts = error.parts();
      if (parts.next.empty() && is_first) {
        parts.next = did_you_mean(dataset.substr(dataset.rfind('/') + 1),
                                  file.children(dataset.substr(0, dataset.rfind('/'))),
                                  "name the tables of the action in data.actions");
        if (dataset.ends_with("/actions") && file.is_dataset(demo.group() + "/action")) {
          parts.next = "read the table 'action': data.actions=[action]";
        }
      } else if (parts.next.empty()) {
        parts.next = fmt::format("write {} again, or leave it out with data.episodes", demo.name);
      }
      throw Error(std::move(parts));
    }
  }
}

}  // namespace roboimi::hdf5_dataset
