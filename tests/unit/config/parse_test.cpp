#include <gmock/gmock.h>

#include "roboimi/config/node.h"
#include "tests/error_text.h"
#include "tests/unit/config/config_folder.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

ConfigNode parse(const std::string& text) { return parse_yaml(text, "a.yaml"); }

std::string failure(const std::string& text) {
  return error_text([&] { parse(text); });
}

TEST(ParseYaml, KeepsStringsQuotesAndOrder) {
  const ConfigNode root = parse("z: 1\na: \"1\"\nlist: [x, 'y', ~]\nnothing:\n");
  ASSERT_TRUE(root.is_map());
  EXPECT_EQ(root.entries()[0].first, "z");
  EXPECT_EQ(root.entries()[1].first, "a");
  EXPECT_FALSE(root.find("z")->quoted());
  EXPECT_TRUE(root.find("a")->quoted());
  EXPECT_EQ(root.find_path("list.1")->text(), "y");
  EXPECT_TRUE(root.find_path("list.2")->is_null());
  EXPECT_TRUE(root.find("nothing")->is_null());
  EXPECT_EQ(root.find_path("list.3"), nullptr);
  EXPECT_EQ(root.find_path("z.deeper"), nullptr);
}

TEST(ParseYaml, RecordsTheLocationOfEachKey) {
  const ConfigNode root = parse("a:\n  b:\n    - 1\n    - 22\n  c:\n");
  EXPECT_EQ(root.find("a")->location().to_string(), "a.yaml:1:1");
  EXPECT_EQ(root.find_path("a.b")->location().to_string(), "a.yaml:2:3");
  EXPECT_EQ(root.find_path("a.b.1")->location().to_string(), "a.yaml:4:7");
  EXPECT_EQ(root.find_path("a.c")->location().to_string(), "a.yaml:5:3");
}

TEST(ParseYaml, ReadsAnEmptyFileAsNull) {
  EXPECT_TRUE(parse("").is_null());
  EXPECT_TRUE(parse("# nothing but a comment\n").is_null());
}

TEST(ParseYaml, ExpandsAnchorsAliasesAndMergeKeys) {
  const ConfigNode root = parse(
      "base: &base {width: 4, depth: 2}\n"
      "copy: *base\n"
      "wide: {<<: *base, width: 8}\n"
      "both: {<<: [{depth: 9}, *base]}\n");
  EXPECT_EQ(*root.find("copy"), *root.find("base"));
  EXPECT_EQ(root.find_path("wide.width")->text(), "8");
  EXPECT_EQ(root.find_path("wide.depth")->text(), "2");
  EXPECT_EQ(root.find_path("both.depth")->text(), "9");
  EXPECT_EQ(root.find_path("both.width")->text(), "4");
  EXPECT_EQ(root.find("wide")->find("<<"), nullptr);
}

TEST(ParseYaml, RejectsARepeatedKeyWithTheLocationOfTheFirst) {
  EXPECT_EQ(failure("a: 1\nb:\n  c: 1\n  c: 2\n"),
            "a.yaml:4:3: repeated key 'c', first used at a.yaml:3:3; remove one of them");
  EXPECT_THAT(failure("{a: 1, \"a\": 2}"), StartsWith("a.yaml:1:8: repeated key 'a'"));
}

TEST(ParseYaml, ReportsTheLocationOfASyntaxError) {
  EXPECT_THAT(failure("a: 1\nb: [1, 2\nc: 3\n"), StartsWith("a.yaml:3:"));
  EXPECT_THAT(failure("a: 'open\nb: 1\n"), HasSubstr("not valid YAML: illegal EOF in scalar"));
  EXPECT_THAT(failure("a: *nobody\n"), StartsWith("a.yaml:1:4: not valid YAML"));
  EXPECT_THAT(failure("a: 1\n---\nb: 2\n"), HasSubstr("a second document"));
  EXPECT_THAT(failure("? [a, b]\n: 1\n"), HasSubstr("a key that is not a string"));
  EXPECT_THAT(failure("~: 1\n"), HasSubstr("a key that is not a string"));
  EXPECT_THAT(failure("a: !python/object x\n"), HasSubstr("unknown tag '!python/object'"));
}

TEST(ParseYaml, SurvivesHostileNesting) {
  EXPECT_THAT(failure(std::string(100000, '[') + std::string(100000, ']')),
              HasSubstr("nested too deep"));
  EXPECT_THAT(failure(std::string(100000, '[')), StartsWith("a.yaml:1:"));
  std::string maps;
  for (int depth = 0; depth < 2000; ++depth) maps += std::string(depth, ' ') + "a:\n";
  EXPECT_THAT(failure(maps), HasSubstr("nested too deep"));
  EXPECT_THAT(failure("a: &a [*a]\n"), HasSubstr("alias inside its own value"));
}

TEST(ParseYaml, LimitsTheNumberOfValuesFromAliases) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int level = 1; level < 12; ++level) {
    const std::string name = "a" + std::to_string(level);
    const std::string before = "*a" + std::to_string(level - 1);
    text += name + ": &" + name + " [" + before;
    for (int copy = 1; copy < 10; ++copy) text += ", " + before;
    text += "]\n";
  }
  EXPECT_THAT(failure(text), HasSubstr("too many values"));
}

TEST(ParseYaml, SurvivesBinaryData) {
  // yaml-cpp may read it as a string or reject it, but must not crash or hang.
  for (const std::string& text :
       {std::string("\0\1\2\xff\xfe", 5), std::string("\x89PNG\r\n\x1a\n"), std::string(3000, '{'),
        std::string("a: \xc3\x28")}) {
    try {
      EXPECT_NO_FATAL_FAILURE(parse(text).to_yaml());
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), StartsWith("a.yaml"));
    }
  }
}

TEST(LoadYaml, ReadsFilesSavedOnWindows) {
  const ConfigFolder folder;
  folder.write("a.yaml", "\xef\xbb\xbfname: x\r\nlist:\r\n  - 1\r\n");
  const ConfigNode root = load_yaml(folder.file("a.yaml"));
  EXPECT_EQ(root.to_yaml(), "name: x\nlist: [1]\n");
  EXPECT_EQ(root.find("name")->location().to_string(), folder.file("a.yaml") + ":1:1");
}

TEST(LoadYaml, NamesAnEncodingThatIsNotUtf8) {
  const ConfigFolder folder;
  const auto failure_of = [&](const std::string& bytes) {
    folder.write("a.yaml", bytes);
    return error_text([&] { load_yaml(folder.file("a.yaml")); });
  };
  EXPECT_EQ(failure_of(std::string("\xff\xfen\0a\0:\0", 8)),
            folder.file("a.yaml") +
                ": not UTF-8: expected a text file in UTF-8; found UTF-16; save "
                "the file again as UTF-8");
  EXPECT_THAT(failure_of(std::string("\xfe\xff\0n\0a", 6)), HasSubstr("found UTF-16;"));
  EXPECT_THAT(failure_of(std::string("\xff\xfe\0\0n\0\0\0", 8)), HasSubstr("found UTF-32;"));
  EXPECT_THAT(failure_of(std::string("n\0a\0m\0e\0", 8)),
              HasSubstr("found UTF-16 without a byte order mark"));
  EXPECT_THAT(failure_of("a: 1\n# caf\xe9\n"),
              HasSubstr("a.yaml:2: not UTF-8: expected a text file in UTF-8; found '# caf\\xe9', "
                        "perhaps in Latin-1 or Windows-1252"));
  EXPECT_THAT(failure_of(std::string("name: long enough\nx: \0\n", 23)),
              HasSubstr("a.yaml:2: not UTF-8: expected a text file in UTF-8; found a zero byte"));
}

TEST(LoadYaml, ExplainsThatTabsDoNotIndent) {
  EXPECT_THAT(failure("a:\n\t- b\n\t- c: d\n"),
              HasSubstr("line 2 is indented with a tab: use spaces"));
  EXPECT_THAT(failure("a:\n  b: 1\n\tc: 2\n"), HasSubstr("line 3 is indented with a tab"));
}

TEST(LoadYaml, NamesAMissingFile) {
  EXPECT_THAT(error_text([] { load_yaml("/nowhere/at_all.yaml"); }),
              HasSubstr("/nowhere/at_all.yaml"));
}

}  // namespace
}  // namespace roboimi
