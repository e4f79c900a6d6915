#include <gmock/gmock.h>

#include "roboimi/config/compose.h"
#include "tests/error_text.h"
#include "tests/unit/config/config_folder.h"

namespace roboimi {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Overrides = std::vector<std::string>;

class Override : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("run.yaml",
                  "agent: {head: {n_emb: 384, n_layer: 12}}\ncameras: [a, b]\nname: x\n");
  }
  ConfigNode compose(const Overrides& overrides) {
    return compose_config(folder_.file("run.yaml"), overrides).root;
  }
  std::string value(const std::string& path, const Overrides& overrides) {
    const ConfigNode root = compose(overrides);
    return root.find_path(path) == nullptr ? "(absent)" : root.find_path(path)->to_yaml();
  }
  std::string failure(const Overrides& overrides) {
    return error_text([&] { compose(overrides); });
  }

  ConfigFolder folder_;
};

TEST_F(Override, ChangesAKeyToAnyYamlValue) {
  EXPECT_EQ(value("agent.head.n_emb", {"agent.head.n_emb=8"}), "8\n");
  EXPECT_EQ(value("cameras", {"cameras=[1,2]"}), "[1, 2]\n");
  EXPECT_EQ(value("cameras", {"cameras=null"}), "null\n");
  EXPECT_EQ(value("cameras.1", {"cameras.1=front"}), "front\n");
  EXPECT_EQ(value("name", {"name=\"1e-3\""}), "\"1e-3\"\n");
  EXPECT_EQ(value("name", {"name=\"a: b\""}), "\"a: b\"\n");
  EXPECT_EQ(value("name", {"name=a=b"}), "a=b\n");
  EXPECT_EQ(value("name", {"name="}), "null\n");
  EXPECT_EQ(value("name", {"name=1", "name=2"}), "2\n");
}

TEST_F(Override, KeepsEveryCharacterOfAValueAndHasNoComments) {
  const auto text_of = [&](const std::string& override_text) {
    const ConfigNode root = compose({override_text});
    // The saved config reads back unchanged.
    EXPECT_TRUE(parse_yaml(root.to_yaml(), "saved.yaml") == root) << root.to_yaml();
    return root.find("name")->text();
  };
  for (const char* value :
       {"/mnt/set #2", "#3",  "a # b",   "#",     "it's", "a: b",     "- a",     "? a",
        "*.ckpt",      "R&D", "@x",      "`x`",   "%d",   "|",        ">x",      "---",
        "...",         "a,b", "lr=1e-4", "x {y}", "x [1", "C:\\data", "\ta\"b\""}) {
    const std::string expected = std::string(value).substr(value[0] == '\t' ? 1 : 0);
    EXPECT_EQ(text_of(std::string("name=") + value), expected);
  }
  EXPECT_EQ(text_of("name=\"a #1\""), "a #1");
  EXPECT_EQ(text_of("name='#1'"), "#1");
  EXPECT_EQ(text_of("name= x "), "x");
  EXPECT_EQ(value("cameras", {"cameras=[a #1, '#2', {k #3: v}]"}),
            "- \"a #1\"\n- \"#2\"\n- \"k #3\": v\n");
}

TEST_F(Override, MustBeOneLineOfUtf8AndOneValue) {
  EXPECT_EQ(failure({"name=a\nb"}),
            "command line: the override 'name=a\\x0ab': a control character in the value: expected "
            "one line of UTF-8");
  EXPECT_THAT(failure({std::string("name=a\0b", 8)}), HasSubstr("a control character"));
  EXPECT_THAT(failure({"name=caf\xe9"}), HasSubstr("'name=caf\\xe9': not UTF-8"));
  EXPECT_THAT(failure({"name=\"a\" # b"}), HasSubstr("the override 'name=\"a\" # b': "));
  EXPECT_THAT(failure({"cameras=[a] # b"}), HasSubstr("the override 'cameras=[a] # b': "));
  EXPECT_THAT(failure({"cameras", "[a]"}), HasSubstr("write KEY=VALUE without spaces around '='"));
}

TEST_F(Override, ChangesOnlyTheGivenKeysOfATable) {
  EXPECT_EQ(value("agent.head", {"agent.head={n_emb: 8}"}), "n_emb: 8\nn_layer: 12\n");
}

TEST_F(Override, HasTheCommandLineAsLocation) {
  const ConfigNode root = compose({"agent.head={n_emb: 8}", "cameras=[z]"});
  EXPECT_EQ(root.find_path("agent.head.n_emb")->location().to_string(), "command line");
  EXPECT_EQ(root.find_path("cameras.0")->location().to_string(), "command line");
}

TEST_F(Override, AddsAndRemoves) {
  EXPECT_EQ(value("agent.extra.deep", {"+agent.extra.deep=1"}), "1\n");
  EXPECT_EQ(value("name", {"++name=y"}), "y\n");
  EXPECT_EQ(value("other", {"++other=y"}), "y\n");
  EXPECT_EQ(value("agent.head", {"~agent.head.n_emb"}), "n_layer: 12\n");
  EXPECT_EQ(value("cameras", {"~cameras.0"}), "[b]\n");
}

TEST_F(Override, SuggestsTheSectionThatWasOmitted) {
  EXPECT_EQ(failure({"n_emb=3"}),
            "command line: unknown key 'n_emb': expected a key that the config has; did you mean "
            "'agent.head.n_emb'? '+n_emb=3' adds a new key");
  folder_.write("run.yaml", "a: {size: 1}\nb: {size: 2}\n");
  EXPECT_THAT(failure({"size=3"}), HasSubstr("did you mean 'a.size' or 'b.size'?"));
  const DeclaredKeys declared = [](const ConfigNode&) {
    return std::vector<std::string>{"train.batch_size"};
  };
  EXPECT_THAT(
      error_text([&] { compose_config(folder_.file("run.yaml"), {"batch_size=8"}, {}, declared); }),
      HasSubstr("did you mean 'train.batch_size'?"));
}

TEST_F(Override, KnowsOtherProgramsNamesOfKeys) {
  const DeclaredKeys declared = [](const ConfigNode&) {
    return std::vector<std::string>{"train.batch_size", "train.ema", "train.learning_rate",
                                    "train.max_steps", "head.learning_rate"};
  };
  const auto suggestion = [&](const std::string& text) {
    const std::string error =
        error_text([&] { compose_config(folder_.file("run.yaml"), {text}, {}, declared); });
    return error.substr(error.rfind("; ") + 2);
  };
  EXPECT_EQ(suggestion("train.lr=1e-4"), "did you mean 'train.learning_rate'?");
  EXPECT_EQ(suggestion("lr=0.1"), "did you mean 'train.learning_rate' or 'head.learning_rate'?");
  EXPECT_EQ(suggestion("model.lr=0.1"),
            "did you mean 'train.learning_rate' or 'head.learning_rate'?");
  EXPECT_EQ(suggestion("epochs=10"), "did you mean 'train.max_steps'?");
  EXPECT_EQ(suggestion("train.bs=8"), "did you mean 'train.batch_size'?");
  EXPECT_EQ(suggestion("batch=8"), "did you mean 'train.batch_size'?");
}

TEST_F(Override, OffersToAddAKeyOnlyWhereTheSchemaIsUnknown) {
  folder_.write("run.yaml", "agent: {backbone: {plugin: ./libmine.so, depth: 18}}\n");
  const DeclaredKeys declared = [](const ConfigNode&) { return std::vector<std::string>{"agent"}; };
  const auto failed = [&](const std::string& text) {
    return error_text([&] { compose_config(folder_.file("run.yaml"), {text}, {}, declared); });
  };
  EXPECT_THAT(failed("agent.width=4"), Not(HasSubstr("+agent")));
  EXPECT_THAT(failed("agent.backbone.width=4"),
              HasSubstr("'+agent.backbone.width=4' adds a new key"));
}

TEST_F(Override, ShowsAnOverrideThatTheShellSplit) {
  EXPECT_EQ(failure({"name=y", "cameras=[wrist,", "overhead]"}),
            "command line: the shell split an override at the space: found 'cameras=[wrist,' and "
            "'overhead]'; quote the whole override: 'cameras=[wrist, overhead]'");
  EXPECT_THAT(failure({"agent.head={n_emb:", "8,", "n_layer:", "2}"}),
              HasSubstr("'agent.head={n_emb: 8, n_layer: 2}'"));
  EXPECT_THAT(failure({"cameras=[wrist,", "name=y"}), HasSubstr("not valid YAML"));
}

TEST_F(Override, DoesNotReplaceATableByAString) {
  EXPECT_EQ(failure({"agent=lewm"}),
            "command line: 'agent' is a table of keys: expected a table; found 'lewm'; this config "
            "has no groups to choose from; set its keys instead: agent.KEY=VALUE");
  EXPECT_EQ(value("agent", {"agent=null"}), "null\n");
}

TEST_F(Override, AnotherTypeDropsTheOptionsOfTheFormerComponent) {
  folder_.write("run.yaml",
                "agent: {backbone: {type: resnet, depth: 18, scale: 2}, type: one, gain: 1}\n");
  const DeclaredKeys declared = [](const ConfigNode& root) {
    std::vector<std::string> keys = {"agent.backbone", "agent.backbone.scale", "env"};
    const std::string& backbone = root.find_path("agent.backbone.type")->text();
    keys.push_back(backbone == "mean_color" ? "agent.backbone.width" : "agent.backbone.depth");
    if (root.find_path("agent.type")->text() == "one") keys.push_back("agent.gain");
    return keys;
  };
  const auto composed = [&](const Overrides& overrides) {
    return compose_config(folder_.file("run.yaml"), overrides, {}, declared).root.to_yaml();
  };
  const auto agent_with = [](const std::string& backbone) {
    return "agent:\n  backbone:\n    " + backbone + "\n  type: one\n  gain: 1\n";
  };
  const std::string kept = agent_with("type: mean_color\n    width: 4");
  EXPECT_EQ(composed({"agent.backbone.type=mean_color", "agent.backbone.width=4"}), kept);
  EXPECT_EQ(composed({"agent.backbone.width=4", "agent.backbone.type=mean_color"}), kept);
  // The same component, and one with the same options.
  EXPECT_EQ(composed({"agent.backbone.type=resnet", "agent.backbone.depth=34"}),
            agent_with("type: resnet\n    depth: 34\n    scale: 2"));
  EXPECT_EQ(composed({"agent.backbone.type=resnet_b"}),
            agent_with("type: resnet_b\n    depth: 18\n    scale: 2"));
  // Components of the former component.
  EXPECT_EQ(composed({"agent.type=two"}),
            "agent:\n  backbone:\n    type: resnet\n    depth: 18\n    scale: 2\n  type: two\n");
  EXPECT_THAT(error_text([&] {
                composed({"agent.backbone.type=mean_color", "agent.backbone.depth=3"});
              }),
              HasSubstr("unknown key 'agent.backbone.depth'"));
  EXPECT_THAT(composed({"env.type=sim"}), HasSubstr("env:\n  type: sim\n"));
}

TEST_F(Override, SuggestsTheNearestKeyOrToAddOne) {
  EXPECT_EQ(failure({"agent.heda.n_emb=3"}),
            "command line: unknown key 'agent.heda.n_emb': expected a key that the config has; did "
            "you mean 'agent.head.n_emb'? '+agent.heda.n_emb=3' adds a new key");
  EXPECT_THAT(failure({"~agent.heda"}), HasSubstr("did you mean 'agent.head'?"));
  EXPECT_THAT(failure({"agent.head.n_emb.x=3"}), HasSubstr("unknown key 'agent.head.n_emb.x'"));
  EXPECT_THAT(failure({"cameras.7=x"}), HasSubstr("unknown key 'cameras.7'"));
}

TEST_F(Override, ReplacesAComponentAndSetsItsOptions) {
  folder_.write("run.yaml", "agent: {backbone: {type: resnet, depth: 18}, note: {text: a}}\n");
  EXPECT_EQ(
      value("agent.backbone", {"agent.backbone.plugin=./libmine.so", "agent.backbone.width=4"}),
      "type: resnet\ndepth: 18\nplugin: ./libmine.so\nwidth: 4\n");
  EXPECT_THAT(failure({"agent.backbone.width=4"}), HasSubstr("unknown key 'agent.backbone.width'"));
  EXPECT_THAT(failure({"agent.note.plugin=./libmine.so"}),
              HasSubstr("unknown key 'agent.note.plugin'"));
  EXPECT_THAT(failure({"agent.backbone.plugin=./libmine.so", "agent.other=4"}),
              HasSubstr("unknown key 'agent.other'"));
}

TEST_F(Override, ChangesADeclaredKeyThatIsInNoFile) {
  std::string asked;
  const DeclaredKeys declared = [&](const ConfigNode& root) {
    asked += root.find_path("agent.head.n_emb")->text() + " ";
    return std::vector<std::string>{"agent.head.dropout", "train.max_steps"};
  };
  const auto composed = [&](const Overrides& overrides) {
    return compose_config(folder_.file("run.yaml"), overrides, {}, declared).root;
  };
  const ConfigNode root =
      composed({"agent.head.n_emb=8", "agent.head.dropout=0.1", "train.max_steps=5"});
  EXPECT_EQ(root.find_path("agent.head.dropout")->text(), "0.1");
  EXPECT_EQ(root.find_path("train.max_steps")->location().to_string(), "command line");
  EXPECT_EQ(asked, "8 8 ")
      << "called after earlier overrides, and only for keys that are in no file";
  EXPECT_EQ(error_text([&] { composed({"train.max_step=5"}); }),
            "command line: unknown key 'train.max_step': expected a key that the config has; did "
            "you mean 'train.max_steps'?")
      << "'+' is no way: the sections refuse unknown keys";
  EXPECT_THAT(error_text([&] { composed({"~train.max_steps"}); }),
              HasSubstr("unknown key 'train.max_steps'"));
}

TEST_F(Override, DoesNotAddAnExistingKeyOrAKeyBelowAScalar) {
  EXPECT_THAT(failure({"+name=y"}), AllOf(HasSubstr("'name' already exists: found 'x' from "),
                                          HasSubstr("run.yaml:3:1"), HasSubstr("remove the '+'")));
  EXPECT_THAT(failure({"+name.first=y"}), HasSubstr("expected a table at 'name'; found 'x'"));
  EXPECT_THAT(failure({"+cameras.2=y"}), HasSubstr("expected a table at 'cameras'"));
}

TEST_F(Override, RejectsInvalidSyntax) {
  for (const char* text : {"name", "=3", "+=3", ".a=3", "a..b=3", "a.=1", "~a=1", "a b=1", ""}) {
    EXPECT_THAT(failure({text}), StartsWith("command line: not an override")) << text;
  }
  EXPECT_THAT(failure({"name=[1"}),
              AllOf(HasSubstr("the override 'name=[1': not valid YAML"),
                    HasSubstr("put a string with special characters in quotes")));
  EXPECT_THAT(failure({"+" + std::string(5000, 'a') + "=1", "+x.y=1", "+x.y=2"}),
              HasSubstr("already exists"));
  std::string deep = "+a";
  for (int level = 0; level < 500; ++level) deep += ".a";
  EXPECT_THAT(failure({deep + "=1"}), HasSubstr("nested too deep"));
}

TEST(ExpandSweep, ReturnsTheCartesianProductInOrder) {
  EXPECT_THAT(expand_sweep({"a=1,2", "b=x", "c=p,q"}),
              ElementsAre(ElementsAre("a=1", "b=x", "c=p"), ElementsAre("a=1", "b=x", "c=q"),
                          ElementsAre("a=2", "b=x", "c=p"), ElementsAre("a=2", "b=x", "c=q")));
  EXPECT_THAT(expand_sweep({}), ElementsAre(ElementsAre()));
}

TEST(ExpandSweep, SplitsOnlyOutsideBracketsBracesAndQuotes) {
  EXPECT_THAT(expand_sweep({"a=[1,2],[3]"}),
              ElementsAre(ElementsAre("a=[1,2]"), ElementsAre("a=[3]")));
  EXPECT_THAT(expand_sweep({"a={x: 1, y: 2}"}), ElementsAre(ElementsAre("a={x: 1, y: 2}")));
  EXPECT_THAT(expand_sweep({"a='x,y',z"}), ElementsAre(ElementsAre("a='x,y'"), ElementsAre("a=z")));
  EXPECT_THAT(expand_sweep({R"(a="x\",y",z)"}),
              ElementsAre(ElementsAre(R"(a="x\",y")"), ElementsAre("a=z")));
  EXPECT_THAT(expand_sweep({"a=it's,b"}), ElementsAre(ElementsAre("a=it's"), ElementsAre("a=b")));
  EXPECT_THAT(expand_sweep({"a=${env:X,1},2"}),
              ElementsAre(ElementsAre("a=${env:X,1}"), ElementsAre("a=2")));
  EXPECT_THAT(expand_sweep({"~a", "agent/backbone=vit,resnet18"}),
              ElementsAre(ElementsAre("~a", "agent/backbone=vit"),
                          ElementsAre("~a", "agent/backbone=resnet18")));
}

TEST(ExpandSweep, RejectsEmptyValuesAndTooManyJobs) {
  EXPECT_THAT(error_text([] { expand_sweep({"a=1,,2"}); }),
              HasSubstr("an empty value in the sweep"));
  const std::string ten = "=0,1,2,3,4,5,6,7,8,9";
  EXPECT_THAT(error_text([&] {
                expand_sweep({"a" + ten, "b" + ten, "c" + ten, "d" + ten, "e" + ten});
              }),
              HasSubstr("the sweep is too large: expected at most 10000 jobs"));
}

}  // namespace
}  // namespace roboimi
