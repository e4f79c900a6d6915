// The registry of loaded plugins and their components. It creates components from config nodes.
//
//   Registry& registry = Registry::instance();
//   registry.load_search_path({"./plugins"});
//   auto backbone = registry.create<Backbone>(node, "agent.backbone", spec);
//
// A node contains `type: NAME` and the options of that component. With `plugin: FILE`, that library
// is loaded first, and `type` may be omitted if it has only one component of the kind. If the
// library has no component with the given `type`, its only component of the kind is used instead.
// Options from config files were meant for the other component and are ignored; options from the
// command line are kept. So the single override `agent.backbone.plugin=./libmy_backbone.so`
// replaces a backbone. A library named by `plugin:` may have the same plugin name or component
// names as another one: it is used only for that node.
//
// An exception in a factory becomes an Error whose text contains the node's path. The registry is
// never destroyed and libraries are never unloaded. Every member may be called from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"
#include "roboimi/plugin/component.h"

namespace roboimi {

struct LoadedPlugin {
  std::string name, version, description;
  std::filesystem::path file;
  bool changed_on_disk = false;  // replaced after loading: restart to use it
};

struct RejectedPlugin {
  std::filesystem::path file;
  std::string reason;  // expected, found, what to do
};

// A file in the search path that is not opened, because an earlier folder has a plugin of the same
// name.
struct ShadowedPlugin {
  std::string name;
  std::filesystem::path file;
  std::filesystem::path by;  // the file that is used
};

// A component as shown by `plugins list`.
struct ComponentInfo {
  ComponentKind kind;
  std::string name, description, plugin;
  Schema schema;
  std::filesystem::path file = {};  // its library; empty if it is linked into the program
  bool needs_file = false;          // its name is taken: a config must name it with `plugin:`
  ComponentCheck check = {};
};

// A plugin as recorded in a run's run.json.
struct RecordedPlugin {
  std::string name;
  std::filesystem::path file;
  std::string sha256;  // of the file, hexadecimal
};

class ROBOIMI_EXPORT Registry {
 public:
  static Registry& instance();

  // Opens every *.so file in the folders (see plugin_search_path) and records rejected files. If
  // two folders have a plugin of the same name, the first is opened and the other is recorded as
  // shadowed. Throws Error only if one folder has two such files, after loading the others. Calling
  // it again opens new files. Warns once about a folder or file that somebody else can write to.
  void load_search_path(const std::vector<std::filesystem::path>& plugin_dirs);
  // Opens one file and returns the plugin's name. Does nothing if the file (same inode) is already
  // loaded. Throws Error if it is rejected or another file with its plugin name is loaded.
  std::string load(const std::filesystem::path& file);
  // Adds components that are linked into the program, without a library and a note.
  void add(const std::string& plugin, const Registrar& registrar);

  std::vector<LoadedPlugin> plugins() const;
  std::vector<RejectedPlugin> rejected() const;
  std::vector<ShadowedPlugin> shadowed() const;
  std::vector<ComponentInfo> components() const;

  // For a configuration that comes with a run, possibly from somebody else. From now on, a library
  // that its `plugin:` names is opened only if it is in a searched folder or its SHA-256 is in
  // `recorded`. Otherwise the plugin of the same name in the search path is used, with a warning;
  // if there is none, creating the component throws Error. A `plugin:` on the command line is not
  // restricted.
  void restrict_plugins(const ConfigNode& config, const std::vector<RecordedPlugin>& recorded);

  // Creates a component. `path` is the node's path in the config, for errors ("agent.backbone").
  // The options are checked against the component's schema. `arguments` are those of
  // ComponentTraits<Interface>:
  //   registry.create<Backbone>(node, "agent.backbone", spec)
  template <typename Interface, typename... Arguments>
  std::shared_ptr<Interface> create(const ConfigNode& node, const std::string& path,
                                    Arguments&&... arguments) {
    const auto make = [&](const void* factory, const Options& options) -> std::shared_ptr<void> {
      return (*static_cast<const ComponentFactory<Interface>*>(factory))(options, arguments...);
    };
    return std::static_pointer_cast<Interface>(
        create_component(ComponentTraits<Interface>::kKind, node, path, make));
  }
  // Creates an agent and its parts under SeededConstruction(seed).
  std::shared_ptr<Agent> create_agent(const ConfigNode& node, const std::string& path,
                                      const ObservationSpec& spec, std::uint64_t seed);

  // The component that create() would create from a node, after loading its `plugin:`. Its `file`
  // and name identify it uniquely.
  ComponentInfo selected(ComponentKind kind, const ConfigNode& node, const std::string& path);
  // The node's validated options with defaults filled in, after loading its `plugin:`. A run's
  // config.yaml and cache keys contain these.
  Options options_of(ComponentKind kind, const ConfigNode& node, const std::string& path);
  // The node as create() interprets it, including the nodes of its parts: `type` is the selected
  // component, and options that a substitution ignores are removed. The result does not depend on
  // where the options were written, so a saved copy creates the same components.
  ConfigNode resolved(ComponentKind kind, const ConfigNode& node, const std::string& path);

  struct State;  // internal to the core

 private:
  using Make = std::function<std::shared_ptr<void>(const void* factory, const Options& options)>;
  std::shared_ptr<void> create_component(ComponentKind kind, const ConfigNode& node,
                                         const std::string& path, const Make& make);

  Registry();
  ~Registry() = delete;
  State* state_;
};

// The folders that are searched for plugins, in this order: `plugin_dirs` (--plugin-path),
// ROBOIMI_PLUGIN_PATH (colon-separated), <install_prefix()>/lib/roboimi/plugins.
ROBOIMI_EXPORT std::vector<std::filesystem::path> plugin_search_path(
    const std::vector<std::filesystem::path>& plugin_dirs);

}  // namespace roboimi
