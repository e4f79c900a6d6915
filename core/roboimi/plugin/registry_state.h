// What the registry holds, for registry.cpp (files) and create.cpp (components). Not installed API.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "roboimi/plugin/loader.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {

// Components by kind and name, each with the plugin that registered it.
class ComponentTable {
 public:
  // Adds all or none. Error when a name is taken, used twice, or a component is incomplete.
  void add(const std::string& plugin, Registrar registrar);

  const std::vector<ComponentInfo>& infos() const { return infos_; }
  const ComponentInfo* find(ComponentKind kind, const std::string& name) const;
  std::vector<const ComponentInfo*> of_plugin(ComponentKind kind, const std::string& plugin) const;
  std::vector<std::string> names(ComponentKind kind) const;

  template <typename Factory>
  const Factory& factory(const std::string& name) const {
    return std::get<std::map<std::string, Factory>>(factories_).at(name);
  }

 private:
  std::vector<ComponentInfo> infos_;
  std::tuple<std::map<std::string, BackboneFactory>, std::map<std::string, HeadFactory>,
             std::map<std::string, AgentFactory>, std::map<std::string, DatasetFactory>,
             std::map<std::string, EpisodeWriterFactory>, std::map<std::string, EnvironmentFactory>,
             std::map<std::string, CommunicatorFactory>>
      factories_;
};

struct Registry::State {
  struct Loaded {
    LoadedPlugin plugin;
    std::optional<FileIdentity> identity;  // of the file when it was opened; none when linked in
    bool reported_change = false;
  };
  struct Rejected {
    RejectedPlugin plugin;
    FileIdentity identity;
    Error::Parts problem;
  };
  // The component that a node means, and the node without what a substitution passes over.
  struct Selection {
    ComponentInfo component;
    ConfigNode node;
  };

  // Recursive: a factory builds parts through the registry.
  mutable std::recursive_mutex mutex;
  std::vector<Loaded> loaded;
  std::vector<Rejected> rejected;
  std::vector<std::filesystem::path> searched;
  ComponentTable components;
  std::set<std::string> substitutions_told;  // what the log has said already

  // Opens `file` unless it is loaded already; the plugin's name, or an Error that `rejected` keeps.
  std::string load(const std::filesystem::path& file);
  const Loaded* find_loaded(const std::filesystem::path& file, const FileIdentity& identity);
  Loaded open(const std::filesystem::path& file, const FileIdentity& identity);
  [[noreturn]] void reject(const std::filesystem::path& file, const FileIdentity& identity,
                           Error::Parts problem);

  Selection select(ComponentKind kind, const ConfigNode& node, const std::string& path);
};

}  // namespace roboimi
