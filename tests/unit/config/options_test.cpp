#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "roboimi/config/scalar.h"
#include "roboimi/config/schema.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Schema example_schema() {
  Schema schema;
  schema.integer("n_emb", 384, "width of a token").at_least(8);
  schema.number("dropout", 0.0, "dropout probability").range(0.0, 1.0);
  schema.boolean("frozen", true, "whether it learns");
  schema.text("loss", "pseudo_huber", "training loss").one_of({"pseudo_huber", "mse"});
  schema.integers("sizes", {1, 2}, "sizes").at_least(1);
  schema.numbers("betas", {0.95, 0.999}, "decay rates").range(0.0, 1.0);
  schema.texts("cameras", {"front"}, "camera names");
  schema.optional_integer("cond_dim", "checked when given");
  schema.optional_path("checkpoint", "weights");
  Schema crop;
  crop.integer("height", 224, "of the crop").with_unit("pixels").at_least(1);
  schema.group("crop", crop, "random crop");
  return schema;
}

Options parse_example(const std::string& text) {
  return parse_options(parse_yaml(text, "a.yaml"), example_schema(), "agent.head");
}

std::string example_failure(const std::string& text) {
  return error_text([&] { parse_example(text); });
}

TEST(ParseOptions, UsesDefaults) {
  const Options options = parse_options(ConfigNode(), example_schema());
  EXPECT_EQ(options.integer("n_emb"), 384);
  EXPECT_EQ(options.text("loss"), "pseudo_huber");
  EXPECT_THAT(options.numbers("betas"), ElementsAre(0.95, 0.999));
  EXPECT_TRUE(options.boolean("frozen"));
  EXPECT_FALSE(options.has("cond_dim"));
  EXPECT_EQ(options.group("crop").integer("height"), 224);
}

TEST(ParseOptions, ReadsEveryType) {
  const Options options = parse_example(
      "{type: imf_head, plugin: ./x.so, n_emb: +128, dropout: 1e-1, frozen: false, loss: mse,\n"
      " sizes: [3], betas: [.5, 1], cameras: ['top', 7], cond_dim: 208, checkpoint: 'a b.ckpt',\n"
      " crop: {height: 10}}");
  EXPECT_EQ(options.integer("n_emb"), 128);
  EXPECT_DOUBLE_EQ(options.number("dropout"), 0.1);
  EXPECT_FALSE(options.boolean("frozen"));
  EXPECT_THAT(options.integers("sizes"), ElementsAre(3));
  EXPECT_THAT(options.numbers("betas"), ElementsAre(0.5, 1.0));
  EXPECT_THAT(options.texts("cameras"), ElementsAre("top", "7"));
  EXPECT_EQ(options.integer("cond_dim"), 208);
  EXPECT_EQ(options.text("checkpoint"), (std::filesystem::current_path() / "a b.ckpt").string());
  EXPECT_EQ(options.group("crop").integer("height"), 10);
  EXPECT_EQ(options.location("sizes").to_string(), "a.yaml:2:2");
}

TEST(ParseOptions, MakesPathsAbsolute) {
  const std::string here = std::filesystem::current_path().string();
  Schema schema;
  schema.required_path("data", "a folder");
  schema.text("output", "runs", "a folder").type = OptionType::kPath;
  const auto read = [&](const std::string& text) {
    return parse_options(parse_yaml(text, "a.yaml"), schema);
  };
  const Options relative = read("data: ./set \\${x}");
  EXPECT_EQ(relative.text("data"), here + "/set ${x}");
  EXPECT_EQ(relative.text("output"), here + "/runs") << "a default as well";
  EXPECT_EQ(relative.to_node().find("data")->text(), here + "/set \\${x}");
  EXPECT_EQ(read("data: /a/../b").text("data"), "/a/../b");
  EXPECT_EQ(read("data: ~/set").text("data"), std::string(std::getenv("HOME")) + "/set");
}

TEST(ParseOptions, AcceptsIntegersInEveryNotation) {
  const auto read = [](const std::string& text) {
    return parse_example("{cond_dim: " + text + "}").integer("cond_dim");
  };
  for (const char* text : {"10", "1e1", "1E1", "1.0e1", "100e-1", "10.0", "10.", "+10", "0.1e2"}) {
    EXPECT_EQ(read(text), 10) << text;
  }
  EXPECT_EQ(read("1_000"), 1000);
  EXPECT_EQ(read("5e4"), 50000);
  EXPECT_EQ(read("9.223372036854775807e18"), 9223372036854775807);
  for (const char* text : {"1.5", "15e-1", "1e-1", "10.00000000000000000001", "1e19", "1e99",
                           "1__0", "_10", "10_", "0x10", "1e", "e1", "ten", ".nan", "1 0"}) {
    EXPECT_THAT(example_failure(std::string("cond_dim: ") + text), HasSubstr("expected an integer"))
        << text;
  }
}

TEST(ParseOptions, GivesHintsForNumbersBooleansAndChoices) {
  EXPECT_THAT(example_failure("loss: mse,pseudo_huber"),
              HasSubstr("found 'mse,pseudo_huber'; --multirun runs each of several values"));
  EXPECT_THAT(example_failure("loss: mse,none"), ::testing::Not(HasSubstr("multirun")));
  EXPECT_THAT(example_failure("dropout: 1,0e-4"),
              HasSubstr("found '1,0e-4'; the decimal point is '.', as in 1.0e-4; --multirun runs "
                        "each of several values"));
  EXPECT_THAT(example_failure("n_emb: 8,16,32"),
              HasSubstr("found '8,16,32'; --multirun runs each of several values"));
  EXPECT_THAT(example_failure("n_emb: 8,16"),
              HasSubstr("found '8,16'; --multirun runs each of several values"));
  EXPECT_THAT(example_failure("dropout: 1e\u22124"), HasSubstr("write the minus sign as '-'"));
  EXPECT_THAT(example_failure("dropout: \u20131"), HasSubstr("write the minus sign as '-'"));
  EXPECT_THAT(example_failure("n_emb: -1"), ::testing::Not(HasSubstr("minus")));
  EXPECT_THAT(example_failure("frozen: yes"), HasSubstr("found 'yes'; write true"));
  EXPECT_THAT(example_failure("frozen: Off"), HasSubstr("found 'Off'; write false"));
  EXPECT_THAT(example_failure("frozen: 1"), HasSubstr("found '1'; write true"));
  EXPECT_THAT(example_failure("frozen: maybe"), ::testing::EndsWith("found 'maybe'"));
}

TEST(ParseOptions, ExpandsTheHomeFolderOnlyInPaths) {
  const char* former = std::getenv("HOME");
  const std::string home = former != nullptr ? former : "";
  ::setenv("HOME", "/home/somebody", 1);
  EXPECT_EQ(parse_example("checkpoint: ~/a.ckpt").text("checkpoint"), "/home/somebody/a.ckpt");
  EXPECT_EQ(parse_example("checkpoint: ./~/a.ckpt").text("checkpoint"),
            (std::filesystem::current_path() / "~/a.ckpt").string());
  EXPECT_EQ(parse_example("cameras: [~/a]").texts("cameras")[0], "~/a");
  EXPECT_THAT(example_failure("checkpoint: ~nobody_of_that_name/a"),
              HasSubstr("no user 'nobody_of_that_name'"));
  ::setenv("HOME", home.c_str(), 1);
}

TEST(ParseOptions, TreatsAnEmptyOptionalPathAsAbsent) {
  EXPECT_FALSE(parse_example("checkpoint: ''").has("checkpoint"));
  Schema schema;
  schema.required_path("path", "folder of episodes");
  EXPECT_THAT(error_text([&] { parse_options(parse_yaml("path: ''", "b.yaml"), schema, "data"); }),
              HasSubstr("invalid value of 'data.path': expected a path"));
  EXPECT_THAT(example_failure("checkpoint: \"a\\nb\""),
              HasSubstr("expected a path; found 'a\\x0ab'"));
}

TEST(ParseOptions, SuggestsTheNearestNameForAnUnknownKey) {
  EXPECT_EQ(example_failure("n_emb: 8\nn_embd: 9\n"),
            "a.yaml:2:1: unknown key 'agent.head.n_embd': expected one of n_emb, dropout, frozen, "
            "loss, sizes, betas, cameras, cond_dim, checkpoint, crop; did you mean 'n_emb'?");
  EXPECT_THAT(example_failure("crop:\n  hieght: 3\n"),
              HasSubstr("a.yaml:2:3: unknown key 'agent.head.crop.hieght'"));
}

TEST(ParseOptions, NamesAMissingKey) {
  Schema schema;
  schema.required_path("path", "folder of episodes");
  schema.component("head", ComponentKind::kHead, "the action head");
  EXPECT_EQ(error_text([&] { parse_options(parse_yaml("head: {}", "b.yaml"), schema, "data"); }),
            "b.yaml:1:1: missing key 'data.path': expected path: folder of episodes");
  EXPECT_THAT(error_text([&] {
                parse_options(parse_yaml("{path: x, head: imf}", "b.yaml"), schema, "agent");
              }),
              HasSubstr("expected a table that names the head: {type: NAME, ...}; found 'imf'; "
                        "choose the component with agent.head.type=NAME"));
  EXPECT_THAT(error_text([&] {
                parse_options(parse_yaml("{path: null, head: {}}", "b.yaml"), schema, "data");
              }),
              HasSubstr("expected a path; found null"));
}

TEST(ParseOptions, ReportsTheExpectedTypeAndTheValue) {
  EXPECT_EQ(example_failure("n_emb: abc"),
            "a.yaml:1:1: invalid value of 'agent.head.n_emb': expected an integer of at least 8; "
            "found 'abc'");
  EXPECT_THAT(example_failure("n_emb: '16'"),
              HasSubstr("found the quoted string '16'; remove the quotes"));
  EXPECT_THAT(example_failure("n_emb: 1.5"),
              HasSubstr("expected an integer of at least 8; found '1.5'"));
  EXPECT_THAT(example_failure("n_emb: null"), HasSubstr("found null"));
  EXPECT_THAT(example_failure("n_emb: 9223372036854775808"),
              HasSubstr("found '9223372036854775808'"));
  EXPECT_THAT(example_failure("frozen: yes"), HasSubstr("expected true or false; found 'yes'"));
  EXPECT_THAT(example_failure("dropout: .nan"), HasSubstr("expected a finite number from 0 to 1"));
  EXPECT_THAT(example_failure("dropout: nan"), HasSubstr("expected a finite number"));
  EXPECT_THAT(example_failure("dropout: 1e999"), HasSubstr("expected a finite number"));
  EXPECT_THAT(example_failure("loss: [mse]"), HasSubstr("expected a string; found [mse]"));
  EXPECT_THAT(example_failure("sizes: 3"),
              HasSubstr("expected a list of integers; found '3'; write [3]"));
  EXPECT_THAT(example_failure("sizes: [1, x]"),
              HasSubstr("expected an integer of at least 1; found 'x'"));
  EXPECT_THAT(example_failure("crop: 3"), HasSubstr("expected a table of options; found '3'"));
  EXPECT_THAT(example_failure("[1]"), HasSubstr("invalid value of 'agent.head'"));
}

TEST(ParseOptions, TakesOneStringForAListOfStrings) {
  Schema schema;
  schema.texts("names", {}, "names");
  const auto names = [&](const std::string& text) {
    return parse_options(parse_yaml("names: " + text, "a.yaml"), schema, "data").texts("names");
  };
  EXPECT_THAT(names("front"), ElementsAre("front"));
  EXPECT_THAT(names("0-9, 12"), ElementsAre("0-9", "12"));
  EXPECT_THAT(names("7"), ElementsAre("7"));
  EXPECT_THAT(names("[0-9, 12, '3,4']"), ElementsAre("0-9", "12", "3,4"));
  EXPECT_THAT(names("'a, b'"), ElementsAre("a, b"));
  EXPECT_THAT(error_text([&] { names("a,,b"); }),
              HasSubstr("invalid value of 'data.names': expected strings with commas between them; "
                        "found 'a,,b'"));
  EXPECT_THAT(error_text([&] { names("{a: b}"); }), HasSubstr("expected a list of strings"));
}

TEST(ParseOptions, ChecksRangesChoicesAndElements) {
  EXPECT_THAT(example_failure("n_emb: 7"), HasSubstr("an integer of at least 8; found '7'"));
  EXPECT_THAT(example_failure("dropout: 1.01"),
              HasSubstr("a finite number from 0 to 1; found '1.01'"));
  EXPECT_THAT(example_failure("sizes: [1, 0]"), HasSubstr("found '0'"));
  EXPECT_THAT(example_failure("crop: {height: 0}"), HasSubstr("an integer of at least 1 (pixels)"));
  EXPECT_THAT(example_failure("loss: msee"),
              HasSubstr("one of pseudo_huber, mse; found 'msee'; did you mean 'mse'?"));
  EXPECT_EQ(parse_example("dropout: 1").number("dropout"), 1.0);
}

TEST(ParseOptions, UnescapesReferences) {
  EXPECT_EQ(parse_example("checkpoint: /\\${HOME}/x").text("checkpoint"), "/${HOME}/x");
}

TEST(Options, FailReportsTheLocationTheKeyAndTheValue) {
  const Options options = parse_example("\ncond_dim: 207\n");
  EXPECT_EQ(error_text([&] {
              options.fail("cond_dim", "is not the sum", "208 = 192 + 16", "leave it out");
            }),
            "a.yaml:2:1: agent.head.cond_dim: is not the sum: expected 208 = 192 + 16; found "
            "'207'; leave it out");
  EXPECT_THAT(error_text([&] { options.fail("n_emb", "too wide", ""); }),
              HasSubstr("a.yaml:2:1: agent.head.n_emb: too wide: found '384'"));
}

TEST(Options, WrittenAsANodeParseToTheSame) {
  const Options options =
      parse_example("{loss: mse, checkpoint: '/\\${x}', cameras: ['1', a], betas: [1, 1e-9]}");
  const ConfigNode node = options.to_node();
  const Options again = parse_example(node.to_yaml());
  EXPECT_EQ(again.to_node(), node) << node.to_yaml();
  EXPECT_EQ(again.text("checkpoint"), "/${x}");
  EXPECT_THAT(again.texts("cameras"), ElementsAre("1", "a"));
  EXPECT_EQ(again.numbers("betas")[1], 1e-9);
  EXPECT_TRUE(node.find("cond_dim")->is_null());
}

// A bug of a component must not end the program that runs it.
TEST(Options, ThrowIfAComponentReadsAKeyThatItsSchemaLacks) {
  const Options options = parse_example("");
  EXPECT_THAT(error_text([&] { options.integer("widht"); }),
              HasSubstr("option 'widht': the component reads an option that its schema lacks"));
  EXPECT_THAT(error_text([&] { options.text("n_emb"); }),
              HasSubstr("reads an option with a type that differs from its schema"));
  EXPECT_THAT(error_text([&] { options.integer("cond_dim"); }),
              HasSubstr("reads an option that has no value: call has() first"));
  EXPECT_THAT(error_text([&] { options.group("cache"); }),
              HasSubstr("option 'cache': the component reads a group that its schema lacks"));
}

TEST(Schema, RejectsInvalidDeclarations) {
  Schema schema;
  schema.integer("width", 1, "of a token");
  EXPECT_THAT(error_text([&] { schema.number("width", 1.0, "again"); }),
              HasSubstr("the schema declares 'width' twice"));
  EXPECT_THAT(error_text([&] { schema.text("plugin", "", "a library"); }),
              HasSubstr("the schema declares 'plugin', which is reserved for components"));
  EXPECT_THAT(error_text([&] { schema.integer("depth", 1, "of a tree").range(2, 1); }),
              HasSubstr("the schema's range of 'depth' is empty"));
}

TEST(NearestName, FindsOnlyTypingErrors) {
  const std::vector<std::string> names = {"n_emb", "n_layer", "dropout"};
  EXPECT_EQ(nearest_name("n_embd", names), "n_emb");
  EXPECT_EQ(nearest_name("N_Layer", names), "n_layer");
  EXPECT_EQ(nearest_name("dorpout", names), "dropout");
  EXPECT_EQ(nearest_name("learning_rate", names), std::nullopt);
  EXPECT_EQ(nearest_name("", names), std::nullopt);
  EXPECT_EQ(nearest_name("x", {"y"}), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(100000, 'a'), {std::string(100000, 'b')}), std::nullopt);
}

TEST(WholeNumber, IsReadWithAnyExponentThatLeavesNoFraction) {
  EXPECT_EQ(config::read_whole_number("1.50e2"), 150);
  EXPECT_EQ(config::read_whole_number("1.5e0"), std::nullopt);
  EXPECT_EQ(config::read_whole_number("-0.0e+3"), 0);
  EXPECT_EQ(config::read_whole_number("0.0e-9223372036854775808"), 0);
}

}  // namespace
}  // namespace roboimi
