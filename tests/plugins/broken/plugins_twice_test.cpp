// Two plugin files with the same name, and libraries that a run's configuration names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/checkpoint/recorded_plugins.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/log_route.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/plugin/registry.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const fs::path kBuilt = fs::path(ROBOIMI_BINARY_DIR) / "tests" / "broken";

fs::path built(const std::string& name) { return kBuilt / name / ("lib" + name + ".so"); }

fs::path empty_folder(const std::string& name) {
  const fs::path folder = kBuilt / "more_than_one" / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

// Copies a plugin, which gives another file with the same plugin name.
fs::path copied(const std::string& plugin, const fs::path& folder) {
  const fs::path file = folder / ("lib" + plugin + ".so");
  fs::copy_file(built(plugin), file);
  return file;
}

// The log lines of a call.
template <typename Call>
std::string logged(Call call) {
  std::string text;
  set_log_handler([&](LogLevel, std::string_view message) { text.append(message).append("\n"); });
  call();
  set_log_handler({});
  return text;
}

ObservationSpec one_camera() {
  return {.streams = {rgb_stream("top", {8, 8}), vector_stream(kState, 2)}, .action_dim = 2};
}

ConfigNode naming(const fs::path& file, const std::string& type, const std::string& config) {
  return parse_yaml("type: " + type + "\nplugin: " + file.string() + "\n", config);
}

ComponentInfo taken(const ConfigNode& node) {
  return Registry::instance().selected(ComponentKind::kBackbone, node, "agent.backbone");
}

TEST(PluginsTwice, InDifferentFoldersUseTheFirstAndShadowTheSecond) {
  Registry& registry = Registry::instance();
  const fs::path first = copied("twice", empty_folder("first"));
  const fs::path second = copied("twice", empty_folder("second"));
  registry.load_search_path({first.parent_path(), second.parent_path()});
  registry.load_search_path({first.parent_path(), second.parent_path()});
  EXPECT_EQ(taken(parse_yaml("type: twice", "test.yaml")).file, first);
  const auto shadowed = registry.shadowed();
  ASSERT_EQ(shadowed.size(), 1u);
  EXPECT_EQ(shadowed[0].name, "twice");
  EXPECT_EQ(shadowed[0].file, second);
  EXPECT_EQ(shadowed[0].by, first);
  for (const RejectedPlugin& rejected : registry.rejected()) EXPECT_NE(rejected.file, second);
}

TEST(PluginsTwice, UseTheConfiguredFileOnlyForThatComponent) {
  Registry& registry = Registry::instance();
  const fs::path usual = copied("late", empty_folder("usual"));
  registry.load_search_path({usual.parent_path()});
  const fs::path mine = copied("late", empty_folder("mine"));
  const ConfigNode node = naming(mine, "late", "test.yaml");
  const std::string log = logged([&] {
    EXPECT_EQ(taken(node).file, mine);
    EXPECT_EQ(registry.create<Backbone>(node, "agent.backbone", one_camera())->output_dim(), 4);
  });
  EXPECT_THAT(log, HasSubstr("agent.backbone: using the backbone 'late' from " + mine.string() +
                             " instead of the one from " + usual.string()));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_EQ(taken(parse_yaml("type: late", "test.yaml")).file, usual);
  // A saved copy of the node selects the same file.
  const ConfigNode saved = parse_yaml(
      registry.resolved(ComponentKind::kBackbone, node, "agent.backbone").to_yaml(), "saved.yaml");
  EXPECT_EQ(taken(saved).file, mine);
}

TEST(PluginsTwice, InOneFolderGiveAnErrorThatNamesBoth) {
  Registry& registry = Registry::instance();
  const fs::path folder = empty_folder("one");
  const fs::path first = copied("good", folder);
  fs::copy_file(built("good"), folder / "libgood_old.so");
  copied("stripped", folder);
  const std::string text = error_text([&] { registry.load_search_path({folder}); });
  EXPECT_THAT(text, HasSubstr("a plugin 'good' is already loaded"));
  EXPECT_THAT(text, HasSubstr(first.string() + " and " + (folder / "libgood_old.so").string()));
  EXPECT_EQ(taken(parse_yaml("type: stripped", "test.yaml")).file, folder / "libstripped.so")
      << "the other plugins are loaded anyway";
}

// Creates a run folder whose configuration names `library` and whose run.json records `recorded`.
ConfigNode run_naming(const fs::path& run, const fs::path& library, const fs::path& recorded) {
  fs::create_directories(run);
  if (!recorded.empty()) {
    write_text_atomically(run / "run.json",
                          R"({"plugins": [{"name": "checked", "version": "1", "file": ")" +
                              library.string() + R"(", "sha256": ")" + sha256_file(recorded) +
                              "\"}]}\n");
  }
  const ConfigNode config = naming(library, "checked", (run / "config.yaml").string());
  restrict_to_recorded_plugins(config, run);
  return config;
}

TEST(RunsPlugin, ThatTheRunDidNotRecordIsReplacedByTheOneInTheSearchPath) {
  Registry& registry = Registry::instance();
  const fs::path theirs = copied("checked", empty_folder("their_run"));
  const ConfigNode other = run_naming(empty_folder("run_a"), theirs, built("good"));
  const std::string refused = error_text([&] { taken(other); });
  EXPECT_THAT(refused, AllOf(HasSubstr("the library " + theirs.string() + " is not opened"),
                             HasSubstr("one whose SHA-256 is in run.json"),
                             HasSubstr("found another SHA-256: the file was changed or rebuilt "
                                       "since the run was started"),
                             HasSubstr("if it is your own build, add --trust-plugins (in C++, "
                                       "PolicyOptions::trust_plugins)")));
  const ConfigNode unrecorded = run_naming(empty_folder("run_b"), theirs, "");
  EXPECT_THAT(error_text([&] { taken(unrecorded); }),
              AllOf(HasSubstr("is not opened"), HasSubstr("found a file that the run did not "
                                                          "record")));

  const fs::path ours = copied("checked", empty_folder("our_plugins"));
  registry.load_search_path({ours.parent_path()});
  const std::string log = logged([&] {
    EXPECT_EQ(taken(other).file, ours);
    EXPECT_EQ(taken(other).file, ours);
  });
  EXPECT_THAT(log, HasSubstr("not opening " + theirs.string()));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;

  // The recorded file is opened, and so is a file that the user names on the command line.
  EXPECT_EQ(taken(run_naming(empty_folder("run_c"), theirs, theirs)).file, theirs);
  const fs::path mine = copied("checked", empty_folder("named"));
  EXPECT_EQ(taken(naming(mine, "checked", "command line")).file, mine);
}

TEST(RunsPlugin, ThatIsGoneIsSearchedByNameInTheSearchPath) {
  Registry& registry = Registry::instance();
  const fs::path ours = copied("replaced", empty_folder("robot"));
  registry.load_search_path({ours.parent_path()});
  const fs::path run = empty_folder("moved_run");
  const ConfigNode config =
      naming("/nowhere/libreplaced.so", "replaced", (run / "config.yaml").string());
  restrict_to_recorded_plugins(config, run / "checkpoints" / "step_1");
  EXPECT_EQ(taken(config).file, ours);
}

TEST(RunsPlugin, ThatIsGoneEverywhereIsReportedAsMissing) {
  const fs::path run = empty_folder("lonely_run");
  const ConfigNode config =
      naming("/nowhere/liblonely.so", "lonely", (run / "config.yaml").string());
  restrict_to_recorded_plugins(config, run);
  const std::string text = error_text([&] { taken(config); });
  EXPECT_THAT(text, AllOf(HasSubstr("the plugin library /nowhere/liblonely.so does not exist"),
                          HasSubstr("the plugin 'lonely' in a plugin folder"),
                          HasSubstr("name the plugin's folder with --plugin-path")));
  EXPECT_THAT(text, testing::Not(HasSubstr("--trust-plugins")));
}

}  // namespace
}  // namespace roboimi
