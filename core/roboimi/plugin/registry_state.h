// What the registry holds, for registry.cpp (files) and create.cpp (components). Not installed API.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "roboimi/plugin/loader.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {

// Components by kind and name, each with the library that registered it.
class ComponentTable {
 public:
  // What happens when a component's name is taken by another library.
  enum class TakenName { kError, kByFileOnly };

  // Adds all or none. Error when a name is used twice, a component is incomplete or, unless
  // kByFileOnly says that such a one is found by its library alone, when a name is taken.
  void add(const std::string& plugin, const std::filesystem::path& file, const Registrar& registrar,
           TakenName taken = TakenName::kError);

  const std::vector<ComponentInfo>& infos() const { return infos_; }
  const ComponentInfo* find(ComponentKind kind, const std::string& name) const;
  std::vector<const ComponentInfo*> of_library(ComponentKind kind,
                                               const std::filesystem::path& file) const;
  std::vector<std::string> names(ComponentKind kind) const;

  // The ComponentFactory of the component's kind.
  std::shared_ptr<const void> factory(const ComponentInfo& info) const {
    return factories_.at({info.kind, info.file, info.name});
  }

 private:
  using Key = std::tuple<ComponentKind, std::filesystem::path, std::string>;

  std::vector<ComponentInfo> infos_;
  std::map<Key, std::shared_ptr<const void>> factories_;
};

struct Registry::State {
  struct Loaded {
    LoadedPlugin plugin;
    std::optional<FileIdentity> identity;  // of the file when it was opened; none when linked in
    std::filesystem::path folder;          // searched, when it was found there
    bool reported_change = false;
  };
  struct Rejected {
    RejectedPlugin plugin;
    FileIdentity identity;
    Error::Parts problem;
    bool is_duplicate = false;  // it would be opened if another file were not
  };
  // Who asks for a file to be opened.
  enum class Origin {
    kSearchPath,  // an earlier folder's file of the same plugin name shadows it
    kCaller,      // Error when there is another file of its plugin name
    kConfig,      // a node's `plugin:`, for that node alone
  };
  // The component that a node means, and the node without what a substitution passes over.
  struct Selection {
    ComponentInfo component;
    ConfigNode node;
  };

  // Recursive: a plugin's register function, which runs under it, may ask the registry.
  mutable std::recursive_mutex mutex;
  std::list<Loaded> loaded;
  std::vector<Rejected> rejected;
  std::vector<ShadowedPlugin> shadowed;
  std::vector<std::filesystem::path> searched;
  ComponentTable components;
  std::set<std::string> told;  // what the log has said already
  // By the file of a configuration: the plugins that it may name outside the search path.
  std::map<std::string, std::vector<RecordedPlugin>> restricted;

  // Opens `file` unless it is loaded already. nullptr: an earlier one of its name shadows it. An
  // Error otherwise, which `rejected` keeps.
  const Loaded* load(const std::filesystem::path& file, Origin origin,
                     const std::filesystem::path& folder = {});
  const Loaded* find_loaded(const std::filesystem::path& file, const FileIdentity& identity);
  const Loaded* open(const std::filesystem::path& file, const FileIdentity& identity, Origin origin,
                     const std::filesystem::path& folder);
  [[noreturn]] void reject(const std::filesystem::path& file, const FileIdentity& identity,
                           Error::Parts problem);
  // The library that a node's `plugin:` names, or the one taken in its place (trust.cpp).
  const Loaded& library_of(const ConfigNode& node, const std::string& path);
  const Loaded* in_place_of(const std::filesystem::path& file, const std::string& config,
                            const std::string& path);
  // Whether the log has not said this yet.
  bool is_new(const std::string& text) { return told.insert(text).second; }

  Selection select(ComponentKind kind, const ConfigNode& node, const std::string& path);
};

// An Error of a factory or a library, saying which node it was made for, once.
Error factory_error(const Error& error, const std::string& path);

// SourceLocation::file of an override.
inline constexpr char kCommandLine[] = "command line";

}  // namespace roboimi
