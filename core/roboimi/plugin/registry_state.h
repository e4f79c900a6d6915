// The state of the registry, shared by its source files. Internal; not installed.
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
  // What happens if another library has a component of the same name: kError throws; kByFileOnly
  // adds the component, but it can be selected only by its library.
  enum class TakenName { kError, kByFileOnly };

  // Adds all components or none. Throws Error if the registrar uses a name twice, if a component is
  // incomplete, or if a name is taken and `taken` is kError.
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
    std::optional<FileIdentity> identity;  // of the file when it was opened; none if linked in
    std::filesystem::path folder;          // the searched folder in which it was found, or empty
    bool reported_change = false;
  };
  struct Rejected {
    RejectedPlugin plugin;
    FileIdentity identity;
    Error::Parts problem;
    bool is_duplicate = false;  // rejected only because of another file with its plugin name
  };
  // Why a file is opened.
  enum class Origin {
    kSearchPath,  // shadowed by a file with the same plugin name in an earlier folder
    kCaller,      // an Error if there is another file with its plugin name
    kConfig,      // a node's `plugin:`, used only for that node
  };
  // The component that a node selects, and the node without the options that a substitution
  // ignores.
  struct Selection {
    ComponentInfo component;
    ConfigNode node;
  };

  // Recursive: a plugin's register function runs under the lock and may call the registry.
  mutable std::recursive_mutex mutex;
  std::list<Loaded> loaded;
  std::vector<Rejected> rejected;
  std::vector<ShadowedPlugin> shadowed;
  std::vector<std::filesystem::path> searched;
  ComponentTable components;
  std::set<std::string> logged;  // messages that are logged only once
  // Config file -> the plugins outside the search path that it may name.
  std::map<std::string, std::vector<RecordedPlugin>> restricted;

  // Opens `file` unless it is already loaded. Returns nullptr if an earlier file shadows it. Throws
  // Error if it is rejected, and adds it to `rejected`.
  const Loaded* load(const std::filesystem::path& file, Origin origin,
                     const std::filesystem::path& folder = {});
  const Loaded* find_loaded(const std::filesystem::path& file, const FileIdentity& identity);
  const Loaded* open(const std::filesystem::path& file, const FileIdentity& identity, Origin origin,
                     const std::filesystem::path& folder);
  [[noreturn]] void reject(const std::filesystem::path& file, const FileIdentity& identity,
                           Error::Parts problem);
  // The library that a node's `plugin:` names, or the substitute if it is restricted (trust.cpp).
  const Loaded& library_of(const ConfigNode& node, const std::string& path);
  const Loaded* substitute_for(const std::filesystem::path& file, const std::string& config,
                               const std::string& path);
  // True the first time it is called with `text`, for messages that are logged only once.
  bool is_new(const std::string& text) { return logged.insert(text).second; }

  Selection select(ComponentKind kind, const ConfigNode& node, const std::string& path);
};

// Adds the path of the node to an Error of a factory or a library, unless it already contains it.
Error factory_error(const Error& error, const std::string& path);

// SourceLocation::file of command-line overrides.
inline constexpr char kCommandLine[] = "command line";

}  // namespace roboimi
