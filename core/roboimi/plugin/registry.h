// All loaded components, and the way to make one from a config node.
//
//   Registry& registry = Registry::instance();
//   registry.load_search_path({"./plugins"});
//   auto backbone = registry.create_backbone(node, "agent.backbone", spec);
//
// A node says `type: NAME` and NAME's options. With `plugin: FILE` that library is loaded first,
// and `type` may be left out when it has one component of the kind. When the library lacks the
// `type` named, its only component of the kind takes the place: the options in files were meant for
// the other component and are passed over, those of the command line are kept. So
// `agent.backbone.plugin=./libmy_backbone.so` alone drops a backbone in.
//
// A factory that throws becomes an Error with the node's path before the text. The registry is
// never destroyed and libraries are never unloaded; every member may be called from any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
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

// A component as `plugins list` shows it.
struct ComponentInfo {
  ComponentKind kind;
  std::string name, description, plugin;
  Schema schema;
};

class ROBOIMI_EXPORT Registry {
 public:
  static Registry& instance();

  // Opens every *.so of the folders (see plugin_search_path), keeping rejections. Error only when
  // two different files claim one plugin name, after the others are loaded. Calling it again opens
  // what has appeared since.
  void load_search_path(const std::vector<std::filesystem::path>& plugin_dirs);
  // Opens one file, now; Error when it is rejected. A file already loaded (same inode) is a no-op.
  // Returns the plugin's name.
  std::string load(const std::filesystem::path& file);
  // For programs that link components in: no library, no note.
  void add(const std::string& plugin, Registrar registrar);

  std::vector<LoadedPlugin> plugins() const;
  std::vector<RejectedPlugin> rejected() const;
  std::vector<ComponentInfo> components() const;

  // `path` is the node's place in the config, for errors ("agent.backbone"). Each checks the
  // options by the component's schema. An agent and its parts are constructed under
  // SeededConstruction(seed).
  std::shared_ptr<Backbone> create_backbone(const ConfigNode& node, const std::string& path,
                                            const ObservationSpec& spec);
  std::shared_ptr<Head> create_head(const ConfigNode& node, const std::string& path,
                                    const HeadSpec& spec);
  std::shared_ptr<Agent> create_agent(const ConfigNode& node, const std::string& path,
                                      const ObservationSpec& spec, std::uint64_t seed);
  std::shared_ptr<Dataset> create_dataset(const ConfigNode& node, const std::string& path);
  std::shared_ptr<EpisodeWriter> create_episode_writer(const ConfigNode& node,
                                                       const std::string& path);
  std::shared_ptr<Environment> create_environment(const ConfigNode& node, const std::string& path);
  std::shared_ptr<Communicator> create_communicator(const ConfigNode& node,
                                                    const std::string& path);

  // The component that a node means, after loading its `plugin:` and whatever that substitutes.
  ComponentInfo component_of(ComponentKind kind, const ConfigNode& node, const std::string& path);
  // The schema behind a node (after loading its `plugin:`), and the node's validated options with
  // defaults filled in: what a run's config.yaml and cache keys hold.
  Options options_of(ComponentKind kind, const ConfigNode& node, const std::string& path);
  // The node as create_*() understands it, and the nodes of the parts that its schema names: `type`
  // is the component taken, and options that a substitution passes over are gone. It does not
  // depend on where the options were written, so a saved copy gives the same components.
  ConfigNode resolved(ComponentKind kind, const ConfigNode& node, const std::string& path);

  struct State;  // core's own

 private:
  Registry();
  ~Registry() = delete;
  State* state_;
};

// The folders searched for plugins: `plugin_dirs` (--plugin-path), ROBOIMI_PLUGIN_PATH
// (colon-separated), <install_prefix()>/lib/roboimi/plugins.
ROBOIMI_EXPORT std::vector<std::filesystem::path> plugin_search_path(
    const std::vector<std::filesystem::path>& plugin_dirs);

}  // namespace roboimi
