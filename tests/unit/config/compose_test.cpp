#include "roboimi/config/compose.h"

#include <gmock/gmock.h>

#include "roboimi/common/install_prefix.h"
#include "roboimi/config/difference.h"
#include "tests/error_text.h"
#include "tests/unit/config/config_folder.h"

namespace roboimi {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

using Overrides = std::vector<std::string>;

class Compose : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("run.yaml",
                  "defaults:\n  - agent: lewm\n  - train: default\n  - _self_\n  - size: null\n"
                  "name: run\ntrain: {max_steps: 50}\n");
    folder_.write("agent/lewm.yaml",
                  "defaults:\n  - backbone: vit\n  - head: imf\ntype: vla_agent\n"
                  "head: {n_emb: 384}\n");
    folder_.write("backbone/vit.yaml", "type: vit\ncameras: [front, top]\n");
    folder_.write("backbone/resnet18.yaml", "type: resnet\ndepth: 18\n");
    folder_.write("agent/backbone/resnet50.yaml", "type: resnet\ndepth: 50\n");
    folder_.write("head/imf.yaml", "type: imf\nn_emb: 8\nn_layer: 12\n");
    folder_.write("train/default.yaml", "max_steps: 1\nbatch_size: 64\n");
    folder_.write("size/small.yaml",
                  "# For a laptop.\n# @package _global_\nagent: {head: {n_emb: 16}}\n"
                  "train: {max_steps: 5}\n");
  }

  ComposedConfig compose(const Overrides& overrides = {}, const std::string& config = "run.yaml") {
    return compose_config(folder_.file(config), overrides);
  }
  std::string yaml(const Overrides& overrides = {}, const std::string& config = "run.yaml") {
    return compose(overrides, config).root.to_yaml();
  }
  std::string value(const std::string& path, const Overrides& overrides = {}) {
    const ComposedConfig composed = compose(overrides);
    const ConfigNode* node = composed.root.find_path(path);
    return node == nullptr ? "(absent)" : node->to_yaml();
  }
  std::string failure(const Overrides& overrides, const std::string& config = "run.yaml") {
    return error_text([&] { compose(overrides, config); });
  }

  ConfigFolder folder_;
};

TEST_F(Compose, PlacesGroupsAtTheirKeysAndLetsLaterMergesWin) {
  const ComposedConfig composed = compose();
  EXPECT_EQ(composed.root, parse_yaml("{agent: {backbone: {type: vit, cameras: [front, top]}, "
                                      "head: {type: imf, n_emb: 384, n_layer: 12}, "
                                      "type: vla_agent}, train: {max_steps: 50, batch_size: 64}, "
                                      "name: run}",
                                      ""));
  EXPECT_THAT(composed.choices, ElementsAre(Pair("agent", "lewm"), Pair("agent/backbone", "vit"),
                                            Pair("agent/head", "imf"), Pair("size", "null"),
                                            Pair("train", "default")));
  EXPECT_EQ(composed.sources.size(), 5u);
  EXPECT_EQ(composed.root.find_path("agent.head.n_emb")->location().to_string(),
            folder_.file("agent/lewm.yaml") + ":5:8");
}

TEST_F(Compose, SelfFirstLetsTheGroupsWin) {
  folder_.write("self_first.yaml",
                "defaults:\n  - _self_\n  - train: default\ntrain: {max_steps: 50, extra: 1}\n");
  EXPECT_EQ(compose({}, "self_first.yaml").root,
            parse_yaml("train: {max_steps: 1, extra: 1, batch_size: 64}", ""));
}

TEST_F(Compose, MergesAFileOfTheSameFolderInPlace) {
  folder_.write("longer.yaml", "defaults:\n  - run\n  - _self_\ntrain: {max_steps: 99}\n");
  EXPECT_EQ(
      compose({"agent/backbone=resnet18"}, "longer.yaml").root.find_path("train.max_steps")->text(),
      "99");
  folder_.write("train/long.yaml", "defaults: [default]\nmax_steps: 7\n");
  EXPECT_EQ(value("train", {"train=long", "train.batch_size=2"}), "max_steps: 50\nbatch_size: 2\n");
}

TEST_F(Compose, SearchesTheGroupsOfAFileOfASubfolderThereFirst) {
  folder_.write("record.yaml", "defaults: [record/base]\n");
  folder_.write("record/base.yaml",
                "defaults: [train: default, _self_, size: null]\nname: record\n");
  folder_.write("record/size/small.yaml", "# @package _global_\nname: small\n");
  const ComposedConfig composed = compose({"size=small"}, "record.yaml");
  EXPECT_EQ(composed.root, parse_yaml("{train: {max_steps: 1, batch_size: 64}, name: small}", ""));
}

TEST_F(Compose, ReplacesAChoiceOfTheAgentsOwnFile) {
  EXPECT_EQ(value("agent.backbone", {"agent/backbone=resnet18"}), "type: resnet\ndepth: 18\n");
  EXPECT_EQ(value("agent.backbone", {"agent/backbone=resnet50.yaml"}), "type: resnet\ndepth: 50\n");
  EXPECT_EQ(value("agent.backbone", {"agent/backbone=null"}), "(absent)");
  EXPECT_EQ(value("agent.backbone", {"~agent/backbone"}), "(absent)");
  EXPECT_EQ(value("agent.backbone.depth", {"agent.backbone.depth=9", "agent/backbone=resnet18"}),
            "9\n");
}

TEST_F(Compose, ChangesAllSectionsWithAGlobalPackage) {
  EXPECT_EQ(value("agent.head.n_emb", {"size=small"}), "16\n");
  EXPECT_EQ(value("train.max_steps", {"size=small"}), "5\n");
  EXPECT_EQ(value("size", {"size=small"}), "(absent)");
  EXPECT_EQ(value("train.max_steps", {"size=small", "train.max_steps=6"}), "6\n");
}

TEST_F(Compose, ChoosesAnOptionalFileByTheChoiceOfAnotherGroup) {
  folder_.write("head/flow.yaml", "type: flow\nn_emb: 8\n");
  folder_.write("head/plain.yaml", "type: plain\n");
  folder_.write("size/small_head/imf.yaml", "# @package agent.head\nn_emb: 16\nn_layer: 2\n");
  folder_.write("size/small_head/flow.yaml", "# @package agent.head\nn_emb: 12\n");
  folder_.write("size/small.yaml",
                "# @package _global_\ndefaults:\n  - optional small_head: ${agent/head}\n"
                "train: {max_steps: 5}\n");
  EXPECT_EQ(value("agent.head", {"size=small"}), "type: imf\nn_emb: 16\nn_layer: 2\n");
  EXPECT_EQ(value("agent.head.n_emb", {"size=small", "agent/head=flow"}), "12\n");
  EXPECT_EQ(compose({"size=small"}).choices.at("size/small_head"), "imf");
  // There is no file of that name, or no head.
  EXPECT_EQ(value("agent.head", {"size=small", "agent/head=plain"}), "type: plain\nn_emb: 384\n");
  EXPECT_EQ(compose({"size=small", "agent/head=plain"}).choices.at("size/small_head"), "null");
  EXPECT_EQ(value("train.max_steps", {"size=small", "agent/head=plain"}), "5\n");
  EXPECT_EQ(value("agent.head", {"size=small", "agent/head=null"}), "(absent)");
}

TEST_F(Compose, RejectsAReferenceToAGroupThatIsNotChosenBefore) {
  folder_.write("x.yaml", "defaults:\n  - train: ${agent/haed}\n");
  EXPECT_THAT(
      failure({}, "x.yaml"),
      HasSubstr("x.yaml:2:5: the group 'agent/haed' has not been chosen before this entry"));
  folder_.write("x.yaml", "defaults:\n  - agent: lewm\n  - train: ${agent/haed}\n");
  EXPECT_THAT(failure({}, "x.yaml"), HasSubstr("did you mean 'agent/head'?"));
  folder_.write("x.yaml", "defaults:\n  - train: default\n  - head: ${train}\n");
  EXPECT_THAT(failure({}, "x.yaml"), HasSubstr("no 'default' in the group 'head'"));
}

TEST_F(Compose, AddsAGroupThatIsInNoList) {
  folder_.write("track/board.yaml", "every: 3\n");
  EXPECT_EQ(value("track", {"+track=board"}), "every: 3\n");
  EXPECT_THAT(failure({"+train=default"}),
              HasSubstr("the group 'train' is already chosen: found default; remove the '+'"));
  EXPECT_THAT(failure({"+track=bord"}), HasSubstr("did you mean 'board'?"));
  EXPECT_EQ(failure({"track=board"}),
            "command line: this config chooses nothing from the group 'track'; to add a choice: "
            "+track=board");
}

TEST_F(Compose, RemovesANullGroupEvenIfOtherFilesSetItsKeys) {
  folder_.write("scene.yaml", "defaults:\n  - env: sim\n  - size: null\n");
  folder_.write("env/sim.yaml", "type: sim\nwidth: 256\n");
  folder_.write("size/tiny.yaml", "# @package _global_\nenv: {width: 8}\nseed: 1\n");
  const auto composed = [&](const std::vector<std::string>& overrides) {
    return compose_config(folder_.file("scene.yaml"), overrides).root.to_yaml();
  };
  EXPECT_EQ(composed({"size=tiny"}), "env:\n  type: sim\n  width: 8\nseed: 1\n");
  EXPECT_EQ(composed({"env=null", "size=tiny"}), "seed: 1\n");
  EXPECT_EQ(composed({"size=tiny", "env=null"}), "seed: 1\n");
}

TEST_F(Compose, ReadsThePackageOfAFileSavedOnWindows) {
  folder_.write("scene.yaml", "seed: 0\ndefaults:\n  - _self_\n  - size: windows\n");
  folder_.write("size/windows.yaml", "\xef\xbb\xbf\r\n# @package _global_\r\nseed: 3\r\n");
  EXPECT_EQ(compose_config(folder_.file("scene.yaml"), {}).root.to_yaml(), "seed: 3\n");
}

TEST_F(Compose, ExpandsTheHomeFolderInAllPaths) {
  const char* former = std::getenv("HOME");
  const std::string home = former != nullptr ? former : "";
  ::setenv("HOME", folder_.path().c_str(), 1);
  folder_.write("mine/scene.yaml", "part: {type: a, plugin: ~/a.so}\nfile: \"${file:~/w.ckpt}\"\n");
  const std::string in_home = "part:\n  type: a\n  plugin: " + folder_.file("a.so") + "\nfile: \"" +
                              folder_.file("w.ckpt") + "\"\n";
  EXPECT_EQ(compose_config("~/mine/scene.yaml", {}).root.to_yaml(), in_home);
  EXPECT_EQ(compose_config("scene", {}, {"~/mine"}).root.to_yaml(), in_home);
  ::setenv("ROBOIMI_CONFIG_PATH", "~/mine", 1);
  EXPECT_EQ(compose_config("scene", {}).root.to_yaml(), in_home);
  ::unsetenv("ROBOIMI_CONFIG_PATH");
  ::setenv("HOME", home.c_str(), 1);
}

TEST(SourceTree, IsThatOfABuildAndEmptyForAnInstallation) {
  const ConfigFolder folder;
  EXPECT_EQ(source_tree(folder.path()), "");
  EXPECT_EQ(source_tree(""), "");
  folder.write("CMakeCache.txt", "A:STRING=b\nCMAKE_HOME_DIRECTORY:INTERNAL=/src/roboimi\n");
  EXPECT_EQ(source_tree(folder.path()), "/src/roboimi");
}

TEST(ConfigChanges, ListEveryKeyThatDiffers) {
  const ConfigNode before =
      parse_yaml("{a: {b: 1, c: x}, list: [1, 2], gone: 3, same: 4}", "a.yaml");
  const ConfigNode after =
      parse_yaml("{a: {b: 2, c: x}, list: [1], same: 4, new: {k: 5}}", "b.yaml");
  EXPECT_EQ(config_changes(before, after),
            (std::vector<std::string>{"a.b: 1 -> 2", "list: [1, 2] -> [1]", "gone: 3 -> none",
                                      "new: none -> a table with the keys k"}));
  EXPECT_TRUE(config_changes(before, before).empty());
  const ConfigNode absent = parse_yaml("{a: 1}", "a.yaml");
  const ConfigNode null = parse_yaml("{a: 1, b: null}", "b.yaml");
  EXPECT_TRUE(config_changes(absent, null).empty());
  EXPECT_TRUE(config_changes(null, absent).empty());
  EXPECT_EQ(summary_of_changes({"a", "b"}), "a, b");
  EXPECT_EQ(summary_of_changes({"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}),
            "1, 2, 3, 4, 5, 6, 7, 8 and 2 more");
}

TEST_F(Compose, SuggestsASweepForSeveralChoices) {
  EXPECT_THAT(failure({"agent/backbone=vit,resnet18"}),
              HasSubstr("--multirun runs each of several values; searched "));
  EXPECT_THAT(failure({"agent/backbone=vit,resnet19"}), Not(HasSubstr("--multirun")));
}

TEST_F(Compose, ListsTheFilesOfTheGroupAndTheFoldersForAnUnknownChoice) {
  EXPECT_THAT(failure({"agent/backbone=resnet19"}),
              AllOf(StartsWith("command line: no 'resnet19' in the group 'agent/backbone'"),
                    HasSubstr("resnet18"), HasSubstr(", vit;"),
                    HasSubstr("did you mean 'resnet18'? searched " +
                              folder_.file("agent/backbone") + ", " + folder_.file("backbone"))));
  folder_.write("broken.yaml", "defaults:\n  - train: fast\n");
  EXPECT_THAT(
      failure({}, "broken.yaml"),
      AllOf(StartsWith(folder_.file("broken.yaml") + ":2:5: no 'fast' in the group 'train'"),
            HasSubstr("expected one of default"), HasSubstr(folder_.file("train"))));
}

TEST_F(Compose, ListsEachSearchedFolderOnce) {
  // The config's own folder is also given by the option and the variable, under another name.
  const std::string again = folder_.file("agent/..");
  ::setenv("ROBOIMI_CONFIG_PATH", again.c_str(), 1);
  const std::string group = error_text([&] {
    compose_config(folder_.file("run.yaml"), {"train=fast"}, {folder_.path(), again});
  });
  const std::string name = error_text([&] { compose_config("rum", {}, {folder_.path(), again}); });
  ::unsetenv("ROBOIMI_CONFIG_PATH");
  const auto count = [](const std::string& text, const std::string& part) {
    int found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
      ++found;
    }
    return found;
  };
  EXPECT_EQ(count(group, folder_.path().string()), 1) << group;
  EXPECT_EQ(count(name, folder_.path().string()), 1) << name;
}

TEST_F(Compose, SuggestsASlashForAGroupWrittenWithADot) {
  EXPECT_THAT(failure({"agent.backbone=resnet18"}),
              AllOf(HasSubstr("command line: 'agent.backbone' is a table of keys"),
                    HasSubstr("write a slash: agent/backbone=resnet18")));
  EXPECT_EQ(
      compose({"agent.backbone={cameras: [top]}"}).root.find_path("agent.backbone.type")->text(),
      "vit");
}

TEST_F(Compose, ListsTheChosenGroupsForAnUnknownGroup) {
  EXPECT_THAT(failure({"agent/backbonee=vit"}),
              AllOf(HasSubstr("no group 'agent/backbonee' is chosen"),
                    HasSubstr("one of agent, agent/backbone, agent/head, size, train"),
                    HasSubstr("did you mean 'agent/backbone'?")));
  EXPECT_THAT(failure({"backbone=vit"}), HasSubstr("no group 'backbone' is chosen"));
}

TEST_F(Compose, RejectsCircularDefaultsLists) {
  folder_.write("agent/a.yaml", "defaults: [b]\n");
  folder_.write("agent/b.yaml", "defaults: [a]\n");
  EXPECT_THAT(failure({"agent=a"}), AllOf(HasSubstr("circular defaults lists"),
                                          HasSubstr("a.yaml -> "), HasSubstr("b.yaml -> ")));
  folder_.write("agent/self.yaml", "defaults:\n  - agent: self\n");
  EXPECT_THAT(failure({"agent=self"}), HasSubstr("circular defaults lists"));
}

TEST_F(Compose, RejectsAMalformedDefaultsList) {
  folder_.write("x.yaml", "defaults: lewm\n");
  EXPECT_THAT(failure({}, "x.yaml"), HasSubstr("expected a list of '- GROUP: NAME'"));
  folder_.write("x.yaml", "defaults:\n  - [a]\n");
  EXPECT_THAT(failure({}, "x.yaml"), HasSubstr("x.yaml:2:5: invalid entry of 'defaults'"));
  folder_.write("x.yaml", "defaults: [_self_, _self_]\n");
  EXPECT_THAT(failure({}, "x.yaml"), HasSubstr("'_self_' appears twice"));
  folder_.write("x.yaml", "defaults: [train: default, train: default]\n");
  EXPECT_THAT(failure({}, "x.yaml"), HasSubstr("the group 'train' is chosen twice"));
  folder_.write("x.yaml", "- a\n- b\n");
  EXPECT_THAT(failure({}, "x.yaml"), HasSubstr("expected a table of keys; found [a, b]"));
}

TEST_F(Compose, ComposesTheSavedTreeToItself) {
  folder_.write("train/default.yaml",
                "max_steps: 1\nlabel: \"${name}-\\\\${x}\"\nlist: ['1', 1e-3, null]\n");
  const ComposedConfig composed = compose();
  folder_.write("saved/config.yaml", composed.root.to_yaml());
  EXPECT_EQ(compose({}, "saved/config.yaml").root, composed.root);
  EXPECT_EQ(composed.root.find_path("train.label")->text(), "run-\\${x}");
}

TEST_F(Compose, FindsAConfigInAnotherFolderByName) {
  const ComposedConfig composed = compose_config("run", {}, {"/nowhere", folder_.path()});
  EXPECT_EQ(composed.file, folder_.path() / "run.yaml");
  ::setenv("ROBOIMI_CONFIG_PATH", ("/nowhere:" + folder_.path().string()).c_str(), 1);
  EXPECT_EQ(compose_config("run.yaml", {}).file, folder_.path() / "run.yaml");
  ::unsetenv("ROBOIMI_CONFIG_PATH");
  EXPECT_THAT(error_text([&] { compose_config("rum", {}, {folder_.path()}); }),
              AllOf(StartsWith("no config 'rum'"), HasSubstr(folder_.path().string()),
                    HasSubstr("did you mean 'run'?")));
}

TEST_F(Compose, SearchesTheFolderOfTheConfigFirst) {
  ConfigFolder& other = folder_;
  other.write("mine/run.yaml", "defaults:\n  - train: default\n  - head: imf\n");
  other.write("mine/train/default.yaml", "mine: true\n");
  const ComposedConfig composed = compose_config(other.file("mine/run.yaml"), {}, {other.path()});
  EXPECT_EQ(composed.root.find("train")->to_yaml(), "mine: true\n");
  EXPECT_EQ(composed.root.find_path("head.n_layer")->text(), "12");
}

}  // namespace
}  // namespace roboimi
