// Plugin files that appear, change and disappear while the process runs, and the lifetime of
// components.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/head.h"
#include "roboimi/plugin/registry.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kBuilt = fs::path(ROBOIMI_BINARY_DIR) / "tests" / "broken";

fs::path built(const std::string& name) { return kBuilt / name / ("lib" + name + ".so"); }

fs::path empty_folder(const std::string& name) {
  const fs::path folder = kBuilt / "lifecycle" / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

// Replaces the file like an installation: a new file gets the name.
void install(const fs::path& from, const fs::path& to) {
  write_text_atomically(to, read_text(from));
}

std::optional<LoadedPlugin> loaded(const std::string& name) {
  for (const LoadedPlugin& plugin : Registry::instance().plugins()) {
    if (plugin.name == name) return plugin;
  }
  return std::nullopt;
}

ConfigNode yaml(const std::string& text) { return parse_yaml(text, "test.yaml"); }

ObservationSpec one_camera() {
  return {.streams = {rgb_stream("top", {8, 8}), vector_stream(kState, 2)}, .action_dim = 2};
}

TEST(SearchPath, FindsAPluginThatAppearsWhileTheProcessRuns) {
  Registry& registry = Registry::instance();
  const fs::path folder = empty_folder("appears");
  registry.load_search_path({folder});
  EXPECT_FALSE(loaded("late"));
  install(built("late"), folder / "liblate.so");
  registry.load_search_path({folder});
  ASSERT_TRUE(loaded("late"));
  EXPECT_EQ(loaded("late")->file, folder / "liblate.so");
  EXPECT_FALSE(loaded("late")->changed_on_disk);
}

TEST(SearchPath, ReportsThatAReplacedFileNeedsARestart) {
  Registry& registry = Registry::instance();
  const fs::path folder = empty_folder("replaced");
  install(built("replaced"), folder / "libreplaced.so");
  registry.load_search_path({folder});
  ASSERT_TRUE(loaded("replaced"));
  install(built("stripped"), folder / "libreplaced.so");
  EXPECT_TRUE(loaded("replaced")->changed_on_disk);
  // The old library stays loaded under its old name, and nothing is rejected.
  EXPECT_EQ(registry.load(folder / "libreplaced.so"), "replaced");
  registry.load_search_path({folder});
  EXPECT_FALSE(loaded("stripped"));
  for (const RejectedPlugin& rejected : registry.rejected()) {
    EXPECT_NE(rejected.file.parent_path(), folder) << rejected.reason;
  }
}

TEST(SearchPath, LoadsARejectedFileOnceItIsFixed) {
  Registry& registry = Registry::instance();
  const fs::path file = empty_folder("fixed") / "libtwo_backbones.so";
  install(built("older_api"), file);
  EXPECT_THAT(error_text([&] { registry.load(file); }), HasSubstr("older roboimi"));
  const auto is_rejected = [&] {
    return std::ranges::any_of(registry.rejected(),
                               [&](const RejectedPlugin& r) { return r.file == file; });
  };
  EXPECT_TRUE(is_rejected());
  install(built("two_backbones"), file);
  EXPECT_EQ(registry.load(file), "two_backbones");
  EXPECT_FALSE(is_rejected());
}

TEST(SearchPath, TreatsOneFileUnderSeveralNamesAsOnePlugin) {
  Registry& registry = Registry::instance();
  const fs::path folder = empty_folder("linked");
  EXPECT_EQ(registry.load(built("good")), "good");
  fs::create_symlink(built("good"), folder / "libsymbolic.so");
  fs::create_hard_link(built("good"), folder / "libhard.so");
  const std::size_t count = registry.plugins().size();
  registry.load_search_path({folder});
  EXPECT_EQ(registry.load(folder / "libhard.so"), "good");
  EXPECT_EQ(registry.plugins().size(), count);
}

TEST(SearchPath, IsTheOptionThenTheVariableThenTheProgramsOwnFolder) {
  setenv("ROBOIMI_PLUGIN_PATH", "/tmp::/usr", 1);
  const auto folders = plugin_search_path({"/var"});
  unsetenv("ROBOIMI_PLUGIN_PATH");
  ASSERT_EQ(folders.size(), 4u);
  EXPECT_EQ(folders[0], "/var");
  EXPECT_EQ(folders[1], "/tmp");
  EXPECT_EQ(folders[2], "/usr");
  EXPECT_EQ(folders[3],
            fs::canonical("/proc/self/exe").parent_path().parent_path() / "lib/roboimi/plugins");
}

TEST(PluginOption, ReplacesABackboneOfAnyTypeInTheConfig) {
  Registry& registry = Registry::instance();
  ConfigNode node = yaml("type: another\ncheckpoint: weights.pt\noutput_dim: 9");
  node.set("plugin", ConfigNode::scalar(built("good").string(), {.file = "command line"}));
  const auto backbone = registry.create<Backbone>(node, "agent.backbone", one_camera());
  EXPECT_EQ(backbone->output_dim(), 4) << "the config's output_dim was for 'another'";

  // An option of the command line applies to the new backbone, also in a saved copy.
  node.set("output_dim", ConfigNode::scalar("7", {.file = "command line"}));
  EXPECT_EQ(registry.create<Backbone>(node, "agent.backbone", one_camera())->output_dim(), 7);
  const ConfigNode saved =
      yaml(registry.resolved(ComponentKind::kBackbone, node, "agent.backbone").to_yaml());
  EXPECT_EQ(saved.find("type")->text(), "good");
  EXPECT_EQ(saved.find("checkpoint"), nullptr);
  EXPECT_EQ(registry.create<Backbone>(saved, "agent.backbone", one_camera())->output_dim(), 7);
  EXPECT_EQ(
      registry.options_of(ComponentKind::kBackbone, saved, "agent.backbone").integer("output_dim"),
      7);
}

TEST(PluginOption, NeedsNoTypeWhenTheLibraryHasOneComponentOfTheKind) {
  const auto backbone = Registry::instance().create<Backbone>(
      yaml("plugin: " + built("good").string() + "\noutput_dim: 5"), "agent.backbone",
      one_camera());
  EXPECT_EQ(backbone->output_dim(), 5);
}

TEST(PluginOption, RequiresATypeWhenTheLibraryHasSeveralComponents) {
  Registry& registry = Registry::instance();
  // Another test may have loaded it from its own folder.
  const auto earlier = loaded("two_backbones");
  const fs::path file = earlier ? earlier->file : built("two_backbones");
  const std::string text = error_text([&] {
    registry.create<Backbone>(yaml("plugin: " + file.string()), "agent.backbone", one_camera());
  });
  EXPECT_THAT(text, HasSubstr("agent.backbone: the plugin 'two_backbones' does not have exactly"));
  EXPECT_THAT(text, HasSubstr("found backbone 'two_backbones', backbone 'second_backbone'"));
  EXPECT_EQ(registry
                .create<Backbone>(yaml("type: second_backbone\nplugin: " + file.string()),
                                  "agent.backbone", one_camera())
                ->output_dim(),
            4);
  EXPECT_THAT(error_text([&] {
                registry.create<Head>(yaml("plugin: " + file.string()), "agent.head", HeadSpec{});
              }),
              HasSubstr("agent.head: the plugin 'two_backbones' does not have exactly one head"));
}

TEST(PluginOption, NamesTheFileThatIsMissing) {
  const std::string text = error_text([] {
    Registry::instance().create<Backbone>(yaml("plugin: ./libnowhere.so"), "agent.backbone",
                                          one_camera());
  });
  EXPECT_THAT(text, HasSubstr("/libnowhere.so: agent.backbone.plugin: cannot load the plugin"));
  EXPECT_THAT(text, HasSubstr("found no such file"));
}

TEST(Type, ThatIsUnknownIsReportedWithTheNearestNameTheOthersAndTheFolders) {
  Registry& registry = Registry::instance();
  registry.load(built("good"));
  const fs::path folder = empty_folder("hint");
  install(built("older_api"), folder / "libolder.so");
  registry.load_search_path({folder});
  const std::string text = error_text(
      [&] { registry.create<Backbone>(yaml("type: goood"), "agent.backbone", one_camera()); });
  EXPECT_THAT(text, HasSubstr("test.yaml:1:1: agent.backbone: unknown backbone 'goood'"));
  EXPECT_THAT(text, HasSubstr("expected type: one of good, late"));
  EXPECT_THAT(text, HasSubstr("did you mean 'good'?"));
  EXPECT_THAT(text, HasSubstr(folder.string()));
  EXPECT_THAT(text, testing::ContainsRegex(
                        "rejected: .*libolder.so \\(`roboimi plugins list` shows why\\)"));
  EXPECT_THAT(
      error_text([&] { registry.create<Backbone>(yaml("{}"), "agent.backbone", one_camera()); }),
      HasSubstr("agent.backbone has no 'type'"));
  EXPECT_THAT(
      error_text([&] { registry.create<Backbone>(yaml("good"), "agent.backbone", one_camera()); }),
      HasSubstr("agent.backbone does not name a component of kind 'backbone': expected a table"));
}

TEST(Options, WithAWrongNameAreReportedWithTheirPlace) {
  Registry::instance().load(built("good"));
  const std::string text = error_text([] {
    Registry::instance().create<Backbone>(yaml("type: good\noutput_dimm: 3"), "agent.backbone",
                                          one_camera());
  });
  EXPECT_THAT(text, HasSubstr("test.yaml:2:1"));
  EXPECT_THAT(text, HasSubstr("output_dim"));
}

TEST(Component, DependsOnTheSeedAndDoesNotUseTheDefaultGenerator) {
  Registry& registry = Registry::instance();
  registry.load(built("good"));
  const auto made = [&] {
    const SeededConstruction guard(7);
    return registry.create<Backbone>(yaml("type: good"), "agent.backbone", one_camera());
  };
  const at::Tensor before = at::rand({3});
  const auto first = made(), second = made();
  EXPECT_TRUE(at::equal(first->parameters()[0], second->parameters()[0]));
  EXPECT_FALSE(at::equal(before, at::rand({3})));
}

TEST(Component, SurvivesFiftyCyclesOfLoadingConstructingAndDestroying) {
  Registry& registry = Registry::instance();
  const Observation images = {{"top", at::ones({1, 2, 8, 8, 3}, at::kByte)}};
  at::Generator generator = make_generator(1);
  for (int cycle = 0; cycle < 50; ++cycle) {
    EXPECT_EQ(registry.load(built("good")), "good");
    const auto backbone =
        registry.create<Backbone>(yaml("type: good"), "agent.backbone", one_camera());
    EXPECT_EQ(backbone->encode(images, generator).sizes(), (at::IntArrayRef{1, 2, 4}));
  }
}

}  // namespace
}  // namespace roboimi
