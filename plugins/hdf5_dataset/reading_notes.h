// Collects datasets and attributes that are ignored when episodes are read, so that each is logged
// once and not once per episode.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "plugins/hdf5_dataset/hdf5_file.h"

namespace roboimi::hdf5_dataset {

class ReadingNotes {
 public:
  // Notes the datasets of `file` that are not in `read`.
  void add_unread(const Hdf5File& file, const std::vector<std::string>& read);
  // The value of an attribute. Notes an attribute that exists but could not be parsed.
  template <typename Value>
  std::optional<Value> value_of(const Hdf5File& file, const std::string& name,
                                Attribute<Value> attribute) {
    if (!attribute.unparsed.empty()) add_attribute(file, name, attribute.unparsed);
    return attribute.value;
  }
  // Logs one line for all datasets and one per attribute.
  void log() const;

 private:
  void add_attribute(const Hdf5File& file, const std::string& name, const std::string& found);

  std::map<std::string, std::string> unread_;      // dataset -> its description where first seen
  std::map<std::string, std::string> attributes_;  // attribute -> its value and file
  bool has_more_ = false;                          // unread_ does not hold all of them
};

}  // namespace roboimi::hdf5_dataset
