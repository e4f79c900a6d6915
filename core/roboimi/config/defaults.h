// The `defaults:` lists of a file and of the files that it names, composed. Internal to config.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "roboimi/config/node.h"
#include "roboimi/config/search.h"

namespace roboimi::config {

// What a defaults list or the command line says of one group: a name, or null for none.
struct GroupChoice {
  std::string name;
  bool none = false;
  bool added = false;  // `+group=name`: not in any list yet
  bool used = false;
  bool optional = false;  // of a list: nothing is chosen where there is no such file
  SourceLocation location;
};

class DefaultsComposer {
 public:
  DefaultsComposer(Folders folders, std::map<std::string, GroupChoice> choices)
      : folders_(std::move(folders)), given_(std::move(choices)) {}

  // The tree of `experiment` and everything that it selects, not yet interpolated.
  ConfigNode compose(const std::filesystem::path& experiment);

  // After compose(): what was chosen, the files read in order, and what was given.
  const std::map<std::string, std::string>& choices() const { return choices_; }
  const std::vector<std::filesystem::path>& sources() const { return sources_; }
  const std::map<std::string, GroupChoice>& given() const { return given_; }

 private:
  // Where a file stands: the folder of its group, its address as a choice, its place in the tree.
  struct Standing {
    std::string folder, choice, place;
  };

  void add_file(const std::filesystem::path& file, Standing standing);
  void add_entry(const ConfigNode& entry, const Standing& parent);
  void name_by_other_group(GroupChoice& choice) const;
  void add_group(const std::string& group, GroupChoice choice, const Standing& parent);
  void merge_at(const std::string& place, ConfigNode body);

  Folders folders_;
  std::map<std::string, GroupChoice> given_;
  std::map<std::string, std::string> choices_;
  std::vector<std::filesystem::path> sources_;
  std::vector<std::filesystem::path> open_;  // the files whose defaults are being read
  ConfigNode root_;
};

}  // namespace roboimi::config
