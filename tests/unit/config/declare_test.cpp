#include "roboimi/config/declare.h"

#include <gmock/gmock.h>

#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

enum class Edge { kMirror, kZero, kWrap };

std::string to_string(Edge edge) {
  return edge == Edge::kMirror ? "mirror" : edge == Edge::kZero ? "zero" : "wrap";
}

struct CropOptions {
  std::int64_t height = 224;
};

void declare(OptionFields& fields, CropOptions& o) {
  fields.integer("height", o.height, "of the crop").at_least(1).with_unit("pixels");
}

struct WindowOptions {
  bool frozen = true;
  std::int64_t width = 8;
  std::uint64_t seed = 500;
  int quality = 90;
  double noise = 0.5;
  std::string name = "run";
  std::filesystem::path output = "runs";
  std::vector<std::int64_t> sizes = {1, 2};
  std::vector<std::string> cameras = {"front"};
  Edge edge = Edge::kZero;
  bool halves = false;
  double beta1 = 0.95, beta2 = 0.999;
  std::optional<std::int64_t> stride;
  std::optional<double> decay;
  std::optional<std::string> entry;
  std::optional<std::filesystem::path> folder;
  std::string state_dict = {};
  std::filesystem::path model = {};
  std::filesystem::path data;
  CropOptions crop;
  ConfigNode head;
  std::optional<ConfigNode> backbone;
};

void declare(OptionFields& fields, WindowOptions& o) {
  fields.boolean("frozen", o.frozen, "whether it learns");
  fields.integer("width", o.width, "of the window").range(1, 64).with_unit("pixels");
  fields.integer("seed", o.seed, "of the first").at_least(0);
  fields.integer("quality", o.quality, "of JPEG").range(1, 100);
  fields.number("noise", o.noise, "standard deviation").at_least(0.0);
  fields.text("name", o.name, "of the run");
  fields.path("output", o.output, "a folder");
  fields.integers("sizes", o.sizes, "sizes").at_least(1);
  fields.texts("cameras", o.cameras, "camera names");
  fields.choice("edge", o.edge, named({Edge::kMirror, Edge::kZero, Edge::kWrap}), "beyond");
  fields.choice("precision", o.halves, {{false, "fp32"}, {true, "fp16"}}, "of the values");
  std::vector<double> betas = {o.beta1, o.beta2};
  fields.numbers("betas", betas, "decays").range(0.0, 1.0);
  fields.when_read([&](const Options& options) {
    if (betas.size() != 2) options.fail("betas", "must have two values", "two numbers");
    o.beta1 = betas[0];
    o.beta2 = betas[1];
  });
  fields.integer("stride", o.stride, "width when left out").at_least(1);
  fields.number("decay", o.decay, "none: no average");
  fields.text("entry", o.entry, "of a dict");
  fields.path("folder", o.folder, "beside the data when left out");
  fields.optional_text("state_dict", o.state_dict, "which weights");
  fields.optional_path("model", o.model, "a file");
  fields.required_path("data", o.data, "a folder of episodes");
  fields.group("crop", o.crop, "random crop");
  fields.component("head", o.head, ComponentKind::kHead, "action head");
  fields.component("backbone", o.backbone, ComponentKind::kBackbone, "encoder; none: state only");
}

WindowOptions read(const std::string& yaml) {
  return options_from<WindowOptions>(
      parse_options(parse_yaml(yaml, "a.yaml"), schema_of<WindowOptions>(), "agent.window"));
}

const std::string kRequired = "data: /episodes\nhead: {type: imf}\n";

TEST(SchemaOf, TakesDefaultsFromTheStructsInitializers) {
  const Schema schema = schema_of<WindowOptions>();
  EXPECT_EQ(std::get<std::int64_t>(schema.find("width")->default_value), 8);
  EXPECT_EQ(std::get<std::int64_t>(schema.find("seed")->default_value), 500);
  EXPECT_EQ(std::get<double>(schema.find("noise")->default_value), 0.5);
  EXPECT_EQ(std::get<std::string>(schema.find("output")->default_value), "runs");
  EXPECT_EQ(schema.find("output")->type, OptionType::kPath);
  EXPECT_EQ(std::get<std::string>(schema.find("edge")->default_value), "zero");
  EXPECT_EQ(std::get<std::string>(schema.find("precision")->default_value), "fp32");
  EXPECT_THAT(std::get<std::vector<double>>(schema.find("betas")->default_value),
              ElementsAre(0.95, 0.999));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(schema.find("stride")->default_value));
  EXPECT_FALSE(schema.find("stride")->required);
  EXPECT_TRUE(schema.find("data")->required);
  EXPECT_FALSE(schema.find("backbone")->required);
}

TEST(SchemaOf, HasRangesUnitsMeaningsAndChoices) {
  const Schema schema = schema_of<WindowOptions>();
  const OptionSpec& width = *schema.find("width");
  EXPECT_EQ(width.minimum, 1.0);
  EXPECT_EQ(width.maximum, 64.0);
  EXPECT_EQ(width.unit, "pixels");
  EXPECT_EQ(width.meaning, "of the window");
  EXPECT_THAT(schema.find("edge")->choices, ElementsAre("mirror", "zero", "wrap"));
  EXPECT_EQ(schema.find("crop")->group.front().find("height")->unit, "pixels");
  EXPECT_EQ(schema.options().front().key, "frozen") << "in the order of declaration";
  EXPECT_EQ(schema.options().back().key, "backbone");
}

TEST(OptionsFrom, UsesTheDefaultsOfAbsentKeys) {
  const WindowOptions o = read(kRequired);
  EXPECT_TRUE(o.frozen);
  EXPECT_EQ(o.width, 8);
  EXPECT_EQ(o.edge, Edge::kZero);
  EXPECT_EQ(o.output, std::filesystem::current_path() / "runs");
  EXPECT_EQ(o.beta2, 0.999);
  EXPECT_FALSE(o.stride || o.decay || o.entry || o.folder || o.backbone);
  EXPECT_EQ(o.state_dict + o.model.string(), "");
  EXPECT_EQ(o.data, "/episodes");
  EXPECT_EQ(o.crop.height, 224);
  EXPECT_EQ(o.head.find("type")->text(), "imf");
}

TEST(OptionsFrom, FillsEveryMember) {
  const WindowOptions o =
      read(kRequired +
           "frozen: false\nwidth: 9\nseed: 7\nquality: 50\nnoise: 1\nname: x\noutput: /out\n"
           "sizes: [4]\ncameras: [top]\nedge: wrap\nprecision: fp16\nbetas: [0.1, 0.2]\n"
           "stride: 3\ndecay: 0.01\nentry: hidden\nfolder: /cache\nstate_dict: ema\n"
           "model: /a.xml\ncrop: {height: 5}\nbackbone: {type: vit}\n");
  EXPECT_FALSE(o.frozen);
  EXPECT_EQ(o.width, 9);
  EXPECT_EQ(o.seed, 7u);
  EXPECT_EQ(o.quality, 50);
  EXPECT_EQ(o.noise, 1.0);
  EXPECT_EQ(o.name, "x");
  EXPECT_EQ(o.output, "/out");
  EXPECT_THAT(o.sizes, ElementsAre(4));
  EXPECT_THAT(o.cameras, ElementsAre("top"));
  EXPECT_EQ(o.edge, Edge::kWrap);
  EXPECT_TRUE(o.halves);
  EXPECT_EQ(o.beta1, 0.1);
  EXPECT_EQ(o.beta2, 0.2);
  EXPECT_EQ(o.stride, 3);
  EXPECT_EQ(o.decay, 0.01);
  EXPECT_EQ(o.entry, "hidden");
  EXPECT_EQ(o.folder, "/cache");
  EXPECT_EQ(o.state_dict, "ema");
  EXPECT_EQ(o.model, "/a.xml");
  EXPECT_EQ(o.crop.height, 5);
  EXPECT_EQ(o.backbone->find("type")->text(), "vit");
}

TEST(OptionsFrom, RejectsValuesThatTheDeclarationDoesNotAllow) {
  const auto failure = [](const std::string& more) {
    return error_text([&] { read(kRequired + more); });
  };
  EXPECT_THAT(failure("width: 65"),
              HasSubstr("invalid value of 'agent.window.width': expected an integer from 1 to 64 "
                        "(pixels); found '65'"));
  EXPECT_THAT(failure("edge: wrp"), HasSubstr("expected one of mirror, zero, wrap; found 'wrp'"));
  EXPECT_EQ(failure("betas: [0.5]"),
            "a.yaml:3:1: agent.window.betas: must have two values: expected two numbers; found "
            "[0.5]");
  EXPECT_THAT(error_text([] { read("head: {type: imf}"); }),
              HasSubstr("missing key 'agent.window.data': expected path: a folder of episodes"));
}

// Integers without a range, whose types cannot hold every integer of a config.
struct NarrowOptions {
  std::int8_t level = 1;
  unsigned count = 2;
  int size = 3;
  std::uint64_t seed = 4;
};

void declare(OptionFields& fields, NarrowOptions& o) {
  fields.integer("level", o.level, "of compression");
  fields.integer("count", o.count, "of parts");
  fields.integer("size", o.size, "of a part");
  fields.integer("seed", o.seed, "of the first part");
}

TEST(OptionsFrom, RejectsIntegersThatTheMemberCannotHold) {
  const auto failure = [](const std::string& yaml) {
    return error_or_accepted([&] {
      options_from<NarrowOptions>(
          parse_options(parse_yaml(yaml, "a.yaml"), schema_of<NarrowOptions>(), "writer"));
    });
  };
  EXPECT_EQ(failure("level: 300"),
            "a.yaml:1:1: writer.level: out of range: expected -128 to 127; found '300'");
  EXPECT_EQ(failure("count: -1"),
            "a.yaml:1:1: writer.count: out of range: expected 0 to 4294967295; found '-1'");
  EXPECT_EQ(failure("size: 1e10"),
            "a.yaml:1:1: writer.size: out of range: expected -2147483648 to 2147483647; found "
            "'10000000000'");
  EXPECT_THAT(failure("seed: -1"), HasSubstr("writer.seed: out of range: expected 0 to 18446744"));
  EXPECT_EQ(failure("{level: -128, count: 4294967295, size: -2147483648}"), "accepted");
}

struct LargeDefault {
  std::uint64_t seed = std::uint64_t{1} << 63;
};

void declare(OptionFields& fields, LargeDefault& o) { fields.integer("seed", o.seed, "a seed"); }

TEST(SchemaOf, RejectsADefaultThatAConfigCannotHold) {
  EXPECT_EQ(error_text([] { schema_of<LargeDefault>(); }),
            "option 'seed': the default is out of range: expected 0 to 18446744073709551615; fix "
            "the component's default");
}

}  // namespace
}  // namespace roboimi
