// The identity of a component in cache keys, with a plugin that replaces another component.
#include <gmock/gmock.h>

#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/plugin/identity.h"
#include "roboimi/plugin/registry.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const char kConfigThere[] = ROBOIMI_BINARY_DIR
    "/lib/roboimi/plugins"
    "/config.yaml";
const char kPlugin[] = ROBOIMI_BINARY_DIR "/lib/roboimi/plugins/libzarr_dataset.so";

// A dataset and a backbone of this program.
Registry& registry() {
  static Registry& filled = []() -> Registry& {
    Registrar registrar;
    Schema data, backbone;
    data.required_path("path", "a folder");
    data.integer("rate", 1, "a rate");
    registrar.add<Dataset>({.name = "linked_dataset",
                            .description = "for tests",
                            .schema = data,
                            .create = [](const Options&) { return nullptr; }});
    backbone.optional_path("checkpoint", "weights");
    registrar.add<Backbone>(
        {.name = "linked_backbone",
         .description = "for tests",
         .schema = backbone,
         .create = [](const Options&, const ObservationSpec&) { return nullptr; }});
    Registry::instance().add("linked", std::move(registrar));
    return Registry::instance();
  }();
  return filled;
}

ComponentIdentity identity_of(const ConfigNode& node,
                              ComponentKind kind = ComponentKind::kDataset) {
  return component_identity(registry(), kind, node, "part");
}

ConfigNode on_command_line(const std::string& text) {
  return ConfigNode::scalar(text, {.file = "command line"}, /*quoted=*/true);
}

// A config with a component of this program, and a plugin that replaces it.
ConfigNode substituted() {
  ConfigNode node = parse_yaml("type: linked_dataset\nrate: 3\n", "config.yaml");
  node.set("plugin", on_command_line(kPlugin));
  node.set("path", on_command_line("data"));
  node.set("camera_names",
           ConfigNode::sequence({on_command_line("top")}, {.file = "command line"}));
  return node;
}

TEST(ComponentIdentity, NamesTheReplacingComponent) {
  const ComponentIdentity identity = identity_of(substituted());
  EXPECT_EQ(identity.component, "dataset 'zarr_dataset' of plugin 'zarr_dataset'");
  EXPECT_THAT(identity.build, HasSubstr("sha256 " + sha256_file(kPlugin)));
  EXPECT_THAT(identity.options, HasSubstr("camera_names"));
  EXPECT_THAT(identity.options, Not(HasSubstr("rate")));
}

TEST(ComponentIdentity, IsTheSameForAResolvedCopy) {
  const ConfigNode node = substituted();
  const ComponentIdentity identity = identity_of(node);
  ConfigNode saved = parse_yaml(
      registry().resolved(ComponentKind::kDataset, node, "part").to_yaml(), "runs/1/config.yaml");
  EXPECT_EQ(identity_of(saved).component, identity.component);
  EXPECT_EQ(identity_of(saved).build, identity.build);
  EXPECT_EQ(identity_of(saved).options, identity.options);
  saved.set("path", on_command_line("/elsewhere/data"));
  EXPECT_EQ(identity_of(saved).options, identity.options) << "the dataset identifies its own files";
}

TEST(ComponentIdentity, FindsAPluginBesideItsConfig) {
  ConfigNode node = substituted();
  const ConfigNode config = parse_yaml("plugin: ./libzarr_dataset.so", kConfigThere);
  node.set("plugin", *config.find("plugin"));
  EXPECT_EQ(identity_of(node).build, identity_of(substituted()).build);
}

TEST(ComponentIdentity, IdentifiesFilesByTheirContents) {
  const ScratchFolder folder;
  const auto with = [&](const std::string& file) {
    ConfigNode node = parse_yaml("type: linked_backbone\n", "config.yaml");
    node.set("checkpoint", on_command_line((folder / file).string()));
    return identity_of(node, ComponentKind::kBackbone);
  };
  write_text_atomically(folder / "a.pt", "weights");
  write_text_atomically(folder / "moved.pt", "weights");
  write_text_atomically(folder / "b.pt", "others");
  EXPECT_EQ(with("a.pt").options, with("moved.pt").options);
  EXPECT_NE(with("a.pt").options, with("b.pt").options);
  EXPECT_EQ(with("a.pt").component, "backbone 'linked_backbone' of plugin 'linked'");
  EXPECT_EQ(with("a.pt").build, "linked in");
}

}  // namespace
}  // namespace roboimi
