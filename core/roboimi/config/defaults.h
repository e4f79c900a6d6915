// Composes the `defaults:` lists of a file and of the files that it names. Internal to config.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "roboimi/config/node.h"
#include "roboimi/config/search.h"

namespace roboimi::config {

// The choice of a group in a defaults list or on the command line: a name, or null for none.
struct GroupChoice {
  std::string name;
  bool none = false;
  bool added = false;  // `+group=name`: the group is in no list
  bool used = false;
  bool optional = false;  // in a list: none if there is no such file
  SourceLocation location;
};

class DefaultsComposer {
 public:
  DefaultsComposer(Folders folders, std::map<std::string, GroupChoice> choices)
      : folders_(std::move(folders)), given_(std::move(choices)) {}

  // The tree of `experiment` and all files that it selects, with references unresolved.
  ConfigNode compose(const std::filesystem::path& experiment);

  // After compose(): the choices, the files read in order, and the choices of the command line.
  const std::map<std::string, std::string>& choices() const { return choices_; }
  const std::vector<std::filesystem::path>& sources() const { return sources_; }
  const std::map<std::string, GroupChoice>& given() const { return given_; }

 private:
  // The position of a file: the folder of its group, the path of its choice ("agent/backbone"), and
  // its place in the tree ("agent.backbone").
  struct Position {
    std::string folder, choice, place;
  };

  void add_file(const std::filesystem::path& file, Position position);
  void add_entry(const ConfigNode& entry, const Position& parent);
  void name_by_other_group(GroupChoice& choice) const;
  void add_group(const std::string& group, GroupChoice choice, const Position& parent);
  void merge_at(const std::string& place, ConfigNode body);

  Folders folders_;
  std::map<std::string, GroupChoice> given_;
  std::map<std::string, std::string> choices_;
  std::vector<std::filesystem::path> sources_;
  std::vector<std::filesystem::path> open_;  // the files whose defaults are being read
  ConfigNode root_;
};

}  // namespace roboimi::config
