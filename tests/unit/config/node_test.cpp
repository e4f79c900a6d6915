#include "roboimi/config/node.h"

#include <gmock/gmock.h>

#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

ConfigNode parsed(const std::string& text) { return parse_yaml(text, "a.yaml"); }

TEST(ConfigNode, SetsAndErasesByPath) {
  ConfigNode root = parsed("a: {b: 1}\nlist: [x, y, z]\n");
  root.set_path("a.c.d", ConfigNode::scalar("2"));
  root.set_path("list.1", ConfigNode::scalar("Y"));
  root.set_path("a.b", ConfigNode::scalar("3"));
  EXPECT_EQ(root, parsed("a: {b: 3, c: {d: 2}}\nlist: [x, Y, z]\n"));
  EXPECT_TRUE(root.erase_path("a.c"));
  EXPECT_TRUE(root.erase_path("list.0"));
  EXPECT_FALSE(root.erase_path("a.c"));
  EXPECT_FALSE(root.erase_path("list.7"));
  EXPECT_FALSE(root.erase_path("no.such"));
  EXPECT_EQ(root, parsed("a: {b: 3}\nlist: [Y, z]\n"));
}

TEST(ConfigNode, ComparesValuesAndNotLocations) {
  EXPECT_EQ(parsed("a: 1"), parsed("# lower\n\na:   1"));
  EXPECT_EQ(parsed("a: text"), parsed("a: 'text'"));
  EXPECT_FALSE(parsed("a: 1") == parsed("a: '1'"));
  EXPECT_FALSE(parsed("a: true") == parsed("a: 'true'"));
  EXPECT_FALSE(parsed("a: null") == parsed("a: 'null'"));
  EXPECT_FALSE(parsed("[1, 2]") == parsed("[2, 1]"));
}

TEST(ConfigNode, RejectsAPathThatIsTooDeep) {
  ConfigNode root = ConfigNode::map();
  std::string path = "a";
  for (int level = 0; level < 5000; ++level) path += ".a";
  EXPECT_THAT(error_text([&] { root.set_path(path, {}); }), HasSubstr("nested too deeply"));
}

TEST(ToYaml, WritesMapsAsBlocksAndListsOfScalarsOnOneLine) {
  EXPECT_EQ(parsed("{a: {b: [1, x, null]}, c: [{d: 1}], e: {}, f: []}").to_yaml(),
            "a:\n  b: [1, x, null]\nc:\n  - d: 1\ne: {}\nf: []\n");
}

TEST(ToJson, ReadsPlainScalarsAsYamlDoes) {
  EXPECT_EQ(parsed("{b: [1, '1', 1e-3, true, yes, null, 18446744073709551616], a: {}}").to_json(),
            "{\n  \"b\": [\n    1,\n    \"1\",\n    0.001,\n    true,\n    \"yes\",\n    "
            "null,\n    1.8446744073709552e+19\n  ],\n  \"a\": {}\n}");
}

class ScalarRoundTrip : public ::testing::TestWithParam<std::string> {};

TEST_P(ScalarRoundTrip, PreservesPlainAndQuotedStrings) {
  for (const bool quoted : {false, true}) {
    ConfigNode root = ConfigNode::map();
    root.set("value", ConfigNode::scalar(GetParam(), {}, quoted));
    root.set("list", ConfigNode::sequence({ConfigNode::scalar(GetParam(), {}, quoted)}));
    root.set("k" + GetParam(), ConfigNode::scalar("key"));
    const ConfigNode again = parsed(root.to_yaml());
    EXPECT_EQ(again, root) << root.to_yaml();
    EXPECT_EQ(again.find("value")->text(), GetParam());
    EXPECT_TRUE(again.find("value")->quoted() || !quoted);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Strings, ScalarRoundTrip,
    ::testing::Values("yes", "1e-3", "a: b", "", "line\nline\n", "grüße 机器人 🤖", "null",
                      "~", "true", "0x10", "- x", "# no comment", "a #b", "[1, 2]", "{a: b}",
                      "*alias", "&anchor", "!tag", "%directive", "@at", "`tick`", "'single'",
                      "\"double\"", "back\\slash", " lead", "trail ", "tab\there", "\r", "?", "-",
                      ":", "<<", "a:", "---", "...", "${a.b}", "\\${a}", "\x01 bell \x7f",
                      "18446744073709551616", ".nan", "1_000", std::string(3000, 'x'),
                      "https://host:80/#x", "C:\\dir", "a,b", "|", ">", "=", "\xc2\x85 next line",
                      "\xe2\x80\xa8 separator", "\xef\xbb\xbf mark"));

TEST(ToYaml, RoundTripsNestedListsAndNulls) {
  for (const char* text :
       {"null", "[]", "{}", "x", "[[1, 2], [3], []]", "[{a: [{b: null}]}, null]", "{'': {'': 1}}",
        "{a: [[{b: 1}, 2], x]}", "{'1': 1, 'yes': 2, '<<': 3, 'a: b': 4}"}) {
    const ConfigNode root = parsed(text);
    EXPECT_EQ(parsed(root.to_yaml()), root) << text << "\n" << root.to_yaml();
  }
}

}  // namespace
}  // namespace roboimi
