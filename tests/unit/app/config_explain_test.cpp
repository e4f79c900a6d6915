// Tests of `roboimi config explain` and of the tables of options in documents, with the components
// `tiny`.
#include "app/config_explain.h"

#include <gmock/gmock.h>

#include "app/config_schema.h"
#include "app/plugins_reference.h"
#include "tests/error_text.h"
#include "tests/unit/config/config_folder.h"
#include "tests/unit/train/tiny_task.h"

namespace roboimi::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ExplainConfig : public ::testing::Test {
 protected:
  ExplainConfig() {
    testing::register_tiny_task();
    folder_.write("run.yaml",
                  "agent: {type: tiny}\ndata:\n  type: tiny\n  path: /a/data.bin\n"
                  "train: {max_steps: 7, betas: [0.9, 0.99]}\ncollect: {noise: 1}\n");
  }
  ComposedConfig compose(const std::vector<std::string>& overrides = {}) const {
    return compose_any(folder_.file("run.yaml"), overrides, {}, {});
  }
  std::string text(const std::string& key, const std::vector<std::string>& overrides = {}) const {
    const ComposedConfig config = compose(overrides);
    return explanation_text(keys_at(explain_config(config), key, config));
  }

  ConfigFolder folder_;
};

TEST_F(ExplainConfig, PrintsValueLocationDefaultTypeRangeAndMeaning) {
  EXPECT_EQ(text("train.max_steps"),
            "train.max_steps: 7\n"
            "  set in   " +
                folder_.file("run.yaml") +
                ":5:9\n"
                "  default  50000\n"
                "  type     integer, at least 1\n"
                "  meaning  number of training steps\n");
  EXPECT_EQ(text("train.betas"),
            "train.betas: [0.9, 0.99]\n"
            "  set in   " +
                folder_.file("run.yaml") +
                ":5:23\n"
                "  default  [0.95, 0.999]\n"
                "  type     list of numbers, from 0 to 1\n"
                "  meaning  decay rates of AdamW's first and second moments\n");
}

TEST_F(ExplainConfig, PrintsDefaultsThatAreInNoFileAndTheirOverrides) {
  EXPECT_THAT(text("agent.hidden"), StartsWith("agent.hidden: 8\n  set in   default\n"));
  EXPECT_THAT(text("cache.folder"), StartsWith("cache.folder: none\n  set in   default\n"));
  EXPECT_THAT(text("agent.hidden", {"agent.hidden=9"}),
              StartsWith("agent.hidden: 9\n  set in   command line\n  default  8\n"));
  EXPECT_THAT(error_text([&] { text("agent", {"agent.hiden=9"}); }),
              HasSubstr("did you mean 'agent.hidden'?"));
}

TEST_F(ExplainConfig, PrintsASectionInTheOrderOfItsSchema) {
  const ComposedConfig config = compose();
  std::vector<std::string> keys;
  for (const ExplainedKey& row : keys_at(explain_config(config), "agent", config)) {
    keys.push_back(row.key);
  }
  EXPECT_THAT(keys, ElementsAre("agent.type", "agent.noise", "agent.hidden"));
  EXPECT_THAT(text("agent.type"),
              AllOf(StartsWith("agent.type: tiny\n"),
                    EndsWith("agent to train: a small network on the state\n")));
}

TEST_F(ExplainConfig, SuggestsTheNearestKey) {
  EXPECT_EQ(error_text([&] { text("train.max_step"); }),
            folder_.file("run.yaml") +
                ": unknown key 'train.max_step': expected a key of the config or of its "
                "components; did you mean 'train.max_steps'?");
  EXPECT_THAT(error_text([&] { text("trian"); }), HasSubstr("did you mean 'train'?"));
}

TEST_F(ExplainConfig, RejectsUnknownKeys) {
  folder_.write("run.yaml", "agent: {type: tiny, widht: 3}\ndata: {type: tiny, path: /a}\n");
  EXPECT_THAT(error_text([&] { text("agent"); }), HasSubstr("unknown key 'agent.widht'"));
}

TEST_F(ExplainConfig, PrintsAListForPrograms) {
  const ComposedConfig config = compose();
  const auto json = explanation_json(keys_at(explain_config(config), "train.batch_size", config));
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["key"], "train.batch_size");
  EXPECT_EQ(json[0]["value"], 64);
  EXPECT_TRUE(json[0]["set_in"].is_null());
  EXPECT_EQ(json[0]["default"], 64);
  EXPECT_EQ(json[0]["minimum"], 1.0);
  EXPECT_EQ(json[0]["maximum"], 65536.0);
  EXPECT_EQ(json[0]["type"], "integer");
  const auto written = explanation_json(keys_at(explain_config(config), "data.path", config));
  EXPECT_EQ(written[0]["value"], "/a/data.bin");
  EXPECT_EQ(written[0]["set_in"], folder_.file("run.yaml") + ":4:3");
}

TEST_F(ExplainConfig, ChecksTheSectionsOfAConfigWithoutPlugins) {
  folder_.write("run.yaml", "agent: {type: none, widht: 3}\ndata: {type: none}\n");
  EXPECT_NO_THROW(check_sections(compose().root)) << "components are not checked";
  EXPECT_THAT(error_text([&] { check_sections(compose({"+train.foo=1"}).root); }),
              HasSubstr("unknown key 'train.foo'"));
  folder_.write("run.yaml", "env: {type: none}\nwriter: {type: none}\ncollect: {noises: 1}\n");
  EXPECT_THAT(error_text([&] { check_sections(compose().root); }),
              HasSubstr("unknown key 'collect.noises'"));
}

TEST_F(ExplainConfig, AcceptsTheKeysOfACollection) {
  folder_.write("run.yaml", "env: {type: tiny}\nwriter: {type: none}\ncollect: {noise: 1}\n");
  EXPECT_EQ(compose({"collect.workers=3"}).root.find_path("collect.workers")->text(), "3");
  EXPECT_THAT(error_text([&] { compose({"train.max_steps=3"}); }),
              HasSubstr("unknown key 'train.max_steps'"));
}

TEST_F(ExplainConfig, DocumentsEverySectionAndComponent) {
  const std::string document = reference_document(Registry::instance().components());
  EXPECT_THAT(document, HasSubstr("| `output_dir` | path | runs |  | folder in which run"));
  EXPECT_THAT(document, HasSubstr("\n## Section `train`\n\ntraining loop.\n\n| option |"));
  EXPECT_THAT(document, HasSubstr("| `max_steps` | integer | 50000 | at least 1 | number of"));
  EXPECT_THAT(document, HasSubstr("| `swanlab` | string | off | one of off, offline, cloud |"));
  EXPECT_THAT(document, HasSubstr("| `max_attempts` | integer | 1000 | at least 1 |"));
  EXPECT_THAT(document, HasSubstr("\n## `tiny` (agent)\n\na small network on the state.\n"));
}

TEST_F(ExplainConfig, UpdatesTheTablesOfAReadme) {
  const std::vector<ComponentInfo> components = Registry::instance().components();
  const auto updated = [&](const std::string& text) {
    return with_option_tables(text, "README.md", components);
  };
  const std::string once =
      updated("# tiny\n<!-- options tiny -->\nold\n<!-- end of options -->\nmore\n");
  EXPECT_THAT(once, StartsWith("# tiny\n<!-- options tiny -->\n\n| option | type |"));
  EXPECT_THAT(once, HasSubstr("| `hidden` | integer | 8 | at least 1 | width |\n"));
  EXPECT_THAT(once, EndsWith("\n\n<!-- end of options -->\nmore\n"));
  EXPECT_THAT(once, ::testing::Not(HasSubstr("old")));
  EXPECT_EQ(updated(once), once);
  EXPECT_EQ(
      error_text([&] { updated("a\n<!-- options tinny -->\n<!-- end of options -->\n"); }),
      "README.md:2: no component 'tinny': expected `<!-- options NAME -->` with the name of a "
      "component that is loaded; did you mean 'tiny'?");
  EXPECT_THAT(error_text([&] { updated("<!-- options tiny -->\n| a |\n"); }),
              HasSubstr("README.md:1: the table of 'tiny' has no end"));
}

}  // namespace
}  // namespace roboimi::app
