// All loaded components, and the way to make one from a config node.
//
//   Registry& registry = Registry::instance();
//   registry.load_search_path({"./plugins"});
//   auto backbone = registry.create<Backbone>(node, "agent.backbone", spec);
//
// A node says `type: NAME` and NAME's options. With `plugin: FILE` that library is loaded first,
// and `type` may be left out when it has one component of the kind. When the library lacks the
// `type` named, its only component of the kind takes the place: the options in files were meant for
// the other component and are passed over, those of the command line are kept. So
// `agent.backbone.plugin=./libmy_backbone.so` alone drops a backbone in. A library that `plugin:`
// names may have the plugin name and the components of another one: it is used for that node alone.
//
// A factory that throws becomes an Error with the node's path before the text. The registry is
// never destroyed and libraries are never unloaded; every member may be called from any thread.
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

// A file in the search path whose plugin name an earlier folder has: it is not opened.
struct ShadowedPlugin {
  std::string name;
  std::filesystem::path file;
  std::filesystem::path by;  // the file that is used
};

// A component as `plugins list` shows it.
struct ComponentInfo {
  ComponentKind kind;
  std::string name, description, plugin;
  Schema schema;
  std::filesystem::path file = {};  // the library it is of; empty when it is linked in
  bool needs_file = false;          // another one has its name: a config reaches it by `plugin:`
  ComponentCheck check = {};
};

// A plugin as a run's run.json has it.
struct RecordedPlugin {
  std::string name;
  std::filesystem::path file;
  std::string sha256;  // of the file, hexadecimal
};

class ROBOIMI_EXPORT Registry {
 public:
  static Registry& instance();

  // Opens every *.so of the folders (see plugin_search_path), keeping rejections. Of two files of
  // one plugin name in different folders the first is opened and the other kept as shadowed. Error
  // only when one folder has two, after the others are loaded. Calling it again opens what has
  // appeared since. A folder or file that somebody else can write to is warned of, once.
  void load_search_path(const std::vector<std::filesystem::path>& plugin_dirs);
  // Opens one file, now; Error when it is rejected or another file of its plugin name is loaded. A
  // file already loaded (same inode) is a no-op. Returns the plugin's name.
  std::string load(const std::filesystem::path& file);
  // For programs that link components in: no library, no note.
  void add(const std::string& plugin, const Registrar& registrar);

  std::vector<LoadedPlugin> plugins() const;
  std::vector<RejectedPlugin> rejected() const;
  std::vector<ShadowedPlugin> shadowed() const;
  std::vector<ComponentInfo> components() const;

  // For a configuration that came with somebody's weights. A library that a `plugin:` of it names
  // is from now on opened only when it lies in a folder that was searched, or its SHA-256 is that
  // of one of `recorded`; otherwise the plugin of the same name in the search path is taken, with a
  // line in the log, or creating the component is an Error. A `plugin:` of the command line is
  // free.
  void restrict_plugins(const ConfigNode& config, const std::vector<RecordedPlugin>& recorded);

  // `path` is the node's place in the config, for errors ("agent.backbone"). The options are
  // checked by the component's schema. `arguments` are those of ComponentTraits<Interface>:
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
  // An agent and its parts, constructed under SeededConstruction(seed).
  std::shared_ptr<Agent> create_agent(const ConfigNode& node, const std::string& path,
                                      const ObservationSpec& spec, std::uint64_t seed);

  // The component that create() makes of a node, after loading its `plugin:`. Its `file` and name
  // tell it apart from every other.
  ComponentInfo selected(ComponentKind kind, const ConfigNode& node, const std::string& path);
  // The schema behind a node (after loading its `plugin:`), and the node's validated options with
  // defaults filled in: what a run's config.yaml and cache keys hold.
  Options options_of(ComponentKind kind, const ConfigNode& node, const std::string& path);
  // The node as create() understands it, and the nodes of the parts that its schema names: `type`
  // is the component taken, and options that a substitution passes over are gone. It does not
  // depend on where the options were written, so a saved copy gives the same components.
  ConfigNode resolved(ComponentKind kind, const ConfigNode& node, const std::string& path);

  struct State;  // core's own

 private:
  using Make = std::function<std::shared_ptr<void>(const void* factory, const Options& options)>;
  std::shared_ptr<void> create_component(ComponentKind kind, const ConfigNode& node,
                                         const std::string& path, const Make& make);

  Registry();
  ~Registry() = delete;
  State* state_;
};

// The folders searched for plugins: `plugin_dirs` (--plugin-path), ROBOIMI_PLUGIN_PATH
// (colon-separated), <install_prefix()>/lib/roboimi/plugins.
ROBOIMI_EXPORT std::vector<std::filesystem::path> plugin_search_path(
    const std::vector<std::filesystem::path>& plugin_dirs);

}  // namespace roboimi
