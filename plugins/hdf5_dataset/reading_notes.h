// What reading the episodes passes over, said in the log once and not once an episode.
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
  // The value of an attribute; notes one that is there and says nothing of the kind.
  template <typename Value>
  std::optional<Value> value_of(const Hdf5File& file, const std::string& name,
                                Attribute<Value> attribute) {
    if (!attribute.not_understood.empty()) add_attribute(file, name, attribute.not_understood);
    return attribute.value;
  }
  // A line for each kind of what was noted.
  void log() const;

 private:
  void add_attribute(const Hdf5File& file, const std::string& name, const std::string& found);

  std::map<std::string, std::string> unread_;      // dataset -> what it is, where first seen
  std::map<std::string, std::string> attributes_;  // attribute -> what it is, and in which file
  bool has_more_ = false;                          // than are kept in unread_
};

}  // namespace roboimi::hdf5_dataset
