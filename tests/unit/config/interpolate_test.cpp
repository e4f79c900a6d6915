#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "roboimi/config/compose.h"
#include "tests/error_text.h"
#include "tests/unit/config/config_folder.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

class Interpolation : public ::testing::Test {
 protected:
  ConfigNode compose(const std::string& text, const std::vector<std::string>& overrides = {}) {
    folder_.write("run.yaml", text);
    return compose_config(folder_.file("run.yaml"), overrides).root;
  }
  std::string failure(const std::string& text) {
    return error_text([&] { compose(text); });
  }

  ConfigFolder folder_;
};

TEST_F(Interpolation, CopiesTheValueOfAReference) {
  EXPECT_EQ(compose("a: {b: [1, '2'], c: null}\nx: ${a.b}\ny: ${a}\nz: ${a.b.1}\nn: ${a.c}\n"),
            parse_yaml("a: {b: [1, '2'], c: null}\nx: [1, '2']\ny: {b: [1, '2'], c: null}\n"
                       "z: '2'\nn: null\n",
                       ""));
}

TEST_F(Interpolation, ResolvesReferencesInStringsAndThroughOtherReferences) {
  const ConfigNode root = compose(
      "n: 3\nname: run_${n}_of_${total}\ntotal: ${n}${n}\n"
      "link: ${table}\ntable: {k: '${name}'}\nvia: ${link.k}\n");
  EXPECT_EQ(root.find("name")->text(), "run_3_of_33");
  EXPECT_EQ(root.find("via")->text(), "run_3_of_33");
}

TEST_F(Interpolation, HappensAfterOverrides) {
  EXPECT_EQ(compose("a: 1\nb: ${a}\nc: 0\n", {"a=2", "c=${b}"}).find("c")->text(), "2");
}

TEST_F(Interpolation, ReadsTheEnvironment) {
  ::setenv("ROBOIMI_TEST_VALUE", "a ${b}", 1);
  ::unsetenv("ROBOIMI_TEST_ABSENT");
  const ConfigNode root = compose(
      "a: ${env:ROBOIMI_TEST_VALUE}\nb: ${env:ROBOIMI_TEST_ABSENT,7}\n"
      "c: '${env:ROBOIMI_TEST_ABSENT,x/y}/z'\n"
      "d: ${env:ROBOIMI_TEST_ABSENT,null}\n");
  EXPECT_EQ(root.find("a")->text(), "a \\${b}");
  EXPECT_EQ(root.find("b")->text(), "7");
  EXPECT_EQ(root.find("c")->text(), "x/y/z");
  EXPECT_TRUE(root.find("d")->is_null());
  EXPECT_THAT(failure("a: ${env:ROBOIMI_TEST_ABSENT}\n"),
              HasSubstr("run.yaml:1:1: the environment variable 'ROBOIMI_TEST_ABSENT' is not set; "
                        "set it, or give a default: ${env:ROBOIMI_TEST_ABSENT,DEFAULT}"));
}

TEST_F(Interpolation, ResolvesAFileRelativeToTheConfigFile) {
  folder_.write("agent/plain.yaml", "weights: ${file:../weights/a.ckpt}\n");
  const ConfigNode root = compose("defaults: [{agent: plain}]\nown: ${file:b.ckpt}\n");
  const std::filesystem::path folder =
      std::filesystem::absolute(folder_.file("run.yaml")).parent_path();
  EXPECT_EQ(root.find_path("agent.weights")->text(), (folder / "weights/a.ckpt").string());
  EXPECT_EQ(root.find("own")->text(), (folder / "b.ckpt").string());
  EXPECT_EQ(compose("own: null\n", {"own=${file:c.ckpt}"}).find("own")->text(),
            (std::filesystem::current_path() / "c.ckpt").string());
}

TEST_F(Interpolation, KeepsAnEscapedReference) {
  EXPECT_EQ(compose("a: 1\nb: \\${a}\n").find("b")->text(), "\\${a}");
}

TEST_F(Interpolation, SuggestsTheNearestKeyForAnUnknownReference) {
  EXPECT_THAT(failure("agent: {head: {n_emb: 1}}\nx: ${agent.haed.n_emb}\n"),
              HasSubstr("run.yaml:2:1: unknown reference '${agent.haed.n_emb}': expected a key of "
                        "the config; did you mean 'agent.head.n_emb'?"));
}

TEST_F(Interpolation, SaysHowToResolveAnUnknownReference) {
  const std::string text = "data: {path: x}\nenv: {camera_names: '${data.camera_names}'}\n";
  EXPECT_THAT(failure(text),
              HasSubstr("unknown reference '${data.camera_names}': expected a key of "
                        "the config; set 'data.camera_names', or give "
                        "'env.camera_names' another value"));
  EXPECT_THAT(failure("data: null\nenv: {camera_names: '${data.camera_names}'}\n"),
              HasSubstr("add 'data', or give 'env.camera_names' another value"));
}

TEST_F(Interpolation, LeavesOutAKeyThatRefersToADeclaredOptionWithoutAValue) {
  const auto compose_with = [&](const std::string& text) {
    folder_.write("run.yaml", text);
    return compose_config(
               folder_.file("run.yaml"), {}, {},
               [](const ConfigNode&) { return std::vector<std::string>{"data.camera_names"}; })
        .root;
  };
  const std::string env = "env: {camera_names: '${data.camera_names}', size: 3}\n";
  EXPECT_EQ(compose_with("data: {path: x}\n" + env),
            parse_yaml("data: {path: x}\nenv: {size: 3}\n", ""));
  EXPECT_EQ(compose_with("data: {camera_names: [a]}\n" + env),
            parse_yaml("data: {camera_names: [a]}\nenv: {camera_names: [a], size: 3}\n", ""));
  // Neither a part of a string nor an option that nobody declares can be left out.
  EXPECT_THAT(error_text([&] { compose_with("data: {}\nx: a_${data.camera_names}\n"); }),
              HasSubstr("set 'data.camera_names', or give 'x' another value"));
  EXPECT_THAT(error_text([&] { compose_with("data: {}\nx: ${data.cameras}\n"); }),
              HasSubstr("unknown reference '${data.cameras}'"));
}

TEST_F(Interpolation, RejectsCircularReferences) {
  EXPECT_THAT(failure("a: ${b}\nb: x${c}\nc: ${a}\n"),
              HasSubstr("circular references: b -> c -> a -> b"));
  EXPECT_THAT(failure("a: ${a}\n"), HasSubstr("circular references: a -> a"));
  EXPECT_THAT(failure("a: {b: '${a}'}\n"), HasSubstr("circular references: a -> a"));
  EXPECT_THAT(failure("a: ${b.x}\nb: ${a}\n"), HasSubstr("circular references"));
}

TEST_F(Interpolation, RejectsInvalidReferences) {
  EXPECT_THAT(failure("a: [${b}]\n"),
              HasSubstr("inside [ ] and { }, put references in quotes: \"${a.b}\""));
  EXPECT_THAT(failure("a: ${b\n"), HasSubstr("a reference '${' without its '}'"));
  EXPECT_THAT(failure("a: ${}\n"), HasSubstr("cannot read the reference '${}'"));
  EXPECT_THAT(failure("a: ${.b}\n"), HasSubstr("cannot read the reference"));
  EXPECT_THAT(failure("a: ${b.${c}}\n"), HasSubstr("cannot read the reference"));
  EXPECT_THAT(failure("a: ${oc.env:HOME}\n"), HasSubstr("cannot read the reference"));
  EXPECT_THAT(failure("a: x${b}\nb: [1, 2]\n"),
              HasSubstr("'${b}' cannot be part of a string: expected a scalar, but it is [1, 2]"));
}

TEST_F(Interpolation, LimitsTheSizeOfTheResolvedConfig) {
  std::string lists = "a0: [x, x]\n";
  std::string strings = "a0: xxxxxxxxxxxxxxxx\n";
  std::string chain = "a0: 1\n";
  for (int level = 1; level < 1000; ++level) {
    const std::string name = "a" + std::to_string(level);
    const std::string before = "'${a" + std::to_string(level - 1) + "}'";
    lists += name + ": [" + before + ", " + before + "]\n";
    strings += name + ": x" + before + before + "\n";
    chain += name + ": {x: " + before + "}\n";
  }
  EXPECT_THAT(failure(lists), HasSubstr("references make the config too large"));
  EXPECT_THAT(failure(strings), HasSubstr("references make the config too large"));
  EXPECT_THAT(failure(chain), ::testing::AnyOf(HasSubstr("chain of references is too long"),
                                               HasSubstr("too deep")));
}

}  // namespace
}  // namespace roboimi
