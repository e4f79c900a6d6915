// Files and modules that are rejected, and their errors.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/contract/weights_follow.h"
#include "tests/plugins/torchscript_backbone/cases.h"

namespace roboimi::torchscript_backbone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string error_of(const std::string& name, TorchScriptOptions options = {}) {
  try {
    make(name, std::move(options));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TorchScriptFile, ThatIsMissingGivesExportInstructions) {
  EXPECT_THAT(error_of("none.pt"), AllOf(HasSubstr("none.pt: no such file"),
                                         HasSubstr("torch.jit.script(model.eval()).save(FILE)")));
  const WeightsFollow weights_follow;
  EXPECT_THAT(error_of("none.pt"),
              AllOf(HasSubstr("holds the encoder's weights but not its program"),
                    HasSubstr("agent.backbone.file=FILE")));
}

TEST(TorchScriptFile, OfAnotherFormatIsRejectedByFormat) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"state_dict.pt", "a torch.save file: weights or a pickled module"},
      {"legacy.pt", "a pickle: weights or Python objects"},
      {"weights.safetensors", "a safetensors file: weights without a program"},
      {"program.pt2", "a torch.export program (.pt2)"},
      {"", "a folder"}};
  for (const auto& [name, found] : cases) {
    EXPECT_THAT(error_of(name), AllOf(HasSubstr("not a TorchScript archive"), HasSubstr(found),
                                      HasSubstr("torch.jit.script(model.eval())")))
        << name;
  }
  std::ofstream(exported("text.pt")) << "plain text";
  EXPECT_THAT(error_of("text.pt"), HasSubstr("found not a zip archive"));
  std::ofstream(exported("empty.pt")) << "";
  EXPECT_THAT(error_of("empty.pt"), HasSubstr("found an empty file"));
}

TEST(TorchScriptFile, ThatIsDamagedIsRejected) {
  std::string bytes = read_text(exported("traced.pt"));
  std::ofstream(exported("cut.pt")) << bytes.substr(0, bytes.size() / 2);
  EXPECT_THAT(error_of("cut.pt"), HasSubstr("damaged zip archive"));
  // Flips one bit of a weight, which libtorch itself would load.
  const at::Tensor weight = make("traced.pt")->named_parameters()["module.stem.0.weight"];
  const auto* first = static_cast<const char*>(weight.const_data_ptr());
  const auto place = std::search(bytes.begin(), bytes.end(), first, first + weight.nbytes());
  ASSERT_NE(place, bytes.end());
  *place = static_cast<char>(*place ^ 1);
  std::ofstream(exported("flipped.pt")) << bytes;
  EXPECT_THAT(error_of("flipped.pt"), AllOf(HasSubstr("damaged zip archive"), HasSubstr("CRC")));
}

TEST(TorchScriptModule, ThatRaisesIsQuotedOnOneLine) {
  EXPECT_THAT(error_of("raises.pt"),
              AllOf(HasSubstr("the module raised an error"), HasSubstr("[1, 3, 40, 48]"),
                    HasSubstr("ValueError: images must have 224 rows"), Not(HasSubstr("\n")),
                    HasSubstr("resize_height")));
  EXPECT_EQ(error_of("raises.pt", {.resize = ImageSize{224, 224}}), "no error");
  EXPECT_THAT(error_of("channels.pt"),
              AllOf(HasSubstr("to have 6 channels, but got 3 channels instead"),
                    Not(HasSubstr("Traceback")), Not(HasSubstr("\n"))));
}

TEST(TorchScriptModule, ThatReturnsNoFeatureIsRejectedWithTheExpectedShape) {
  EXPECT_THAT(error_of("maps.pt"),
              AllOf(HasSubstr("expected floats [1, D]"), HasSubstr("found Float [1, 3, 5, 6]"),
                    HasSubstr("token: cls")));
  EXPECT_THAT(error_of("classes.pt"), HasSubstr("found Long [1, 1]"));
  EXPECT_THAT(error_of("fixed_batch.pt"),
              AllOf(HasSubstr("expected floats [2, D]"), HasSubstr("found Float [1, 6]"),
                    HasSubstr("tracing has fixed it")));
  EXPECT_THAT(error_of("scripted.pt", {.output = {.token = Token::kCls}}),
              AllOf(HasSubstr("floats [1, T, D]"), HasSubstr("token: none")));
}

TEST(TorchScriptModule, ThatReturnsSeveralValuesIsRejectedWithTheirNames) {
  EXPECT_THAT(
      error_of("vit.pt", {.resize = ImageSize{32, 32}}),
      AllOf(HasSubstr("returns several values"), HasSubstr("last_hidden_state: Float [1, 17, 32]"),
            HasSubstr("set output, for example output: last_hidden_state")));
  EXPECT_THAT(error_of("tuple.pt", {.output = {.entry = "2"}}),
              AllOf(HasSubstr("returns no '2'"), HasSubstr("0: Float [1, 1, 8], 1: Float [1, 8]")));
  EXPECT_THAT(error_of("scripted.pt", {.output = {.entry = "pooled"}}),
              AllOf(HasSubstr("returns no 'pooled'"), HasSubstr("leave output out")));
}

TEST(TorchScriptModule, ThatWasTracedInTrainingModeIsRejected) {
  const at::Tensor default_state = at::detail::getDefaultCPUGenerator().get_state();
  EXPECT_THAT(error_of("dropout.pt"), AllOf(HasSubstr("draws random numbers in evaluation mode"),
                                            HasSubstr("model.eval() before torch.jit.trace")));
  EXPECT_TRUE(default_state.equal(at::detail::getDefaultCPUGenerator().get_state()));
  EXPECT_THAT(error_of("batch_norm.pt"), AllOf(HasSubstr("changes its buffers in evaluation mode"),
                                               HasSubstr("model.eval() before torch.jit.trace")));
}

TEST(TorchScriptModule, WithoutGradientsMustBeFrozen) {
  for (const char* name : {"constants.pt", "detached.pt"}) {
    EXPECT_EQ(error_of(name), "no error");
    EXPECT_THAT(error_of(name, {.frozen = false}),
                AllOf(HasSubstr("no gradient reaches a parameter"), HasSubstr("set frozen: true")));
  }
}

TEST(TorchScriptModule, WithAnotherFeatureSizeThanConfiguredIsRejected) {
  EXPECT_EQ(error_of("scripted.pt", {.output_dim = 8}), "no error");
  EXPECT_THAT(error_of("scripted.pt", {.output_dim = 9}),
              AllOf(HasSubstr("expected 9 (output_dim)"), HasSubstr("found 8")));
  auto sized = make("sized.pt");
  Observation images = frames();
  images["front"] = images["front"].slice(2, 0, 30);
  try {
    encode(*sized, images);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("5760 (as for earlier images)"),
                                    HasSubstr("found 4320"), HasSubstr("resize_height")));
  }
}

TEST(TorchScriptCameras, ThatAreMissingOrDifferInSizeAreNamed) {
  EXPECT_THAT(error_of("scripted.pt", {.camera_names = {"wrist"}}),
              AllOf(HasSubstr("camera 'wrist' is missing"), HasSubstr("front, top")));
  auto joint = make("joint.pt", {.mode = Mode::kJoint});
  Observation images = frames();
  images["top"] = images["top"].slice(2, 0, 30);
  try {
    encode(*joint, images);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("front 40x48, top 30x48"),
                                    HasSubstr("set resize_height and resize_width")));
  }
  images.erase("top");
  EXPECT_THROW(encode(*joint, images), Error);
}

TEST(TorchScriptOptions, AreReadFromYaml) {
  const auto error_in = [](const std::string& yaml) -> std::string {
    try {
      create(parse_options(parse_yaml(yaml, "encoder.yaml"), schema()), two_cameras());
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_in("frozen: true"),
              AllOf(HasSubstr("no encoder file"), HasSubstr("torch.jit.script")));
  const std::string file = "file: " + exported("joint.pt").string();
  EXPECT_EQ(error_in(file + "\nmode: joint\noutput_dim: 8"), "no error");
  EXPECT_THAT(error_in(file + "\nresize_height: 30"), HasSubstr("resize_width is not"));
  EXPECT_THAT(error_in(file + "\nmean: [0.5]"), HasSubstr("3 values: red, green, blue"));
  EXPECT_THAT(error_in(file + "\nstd: [1, 0, 1]"), HasSubstr("std"));
  EXPECT_THAT(error_in(file + "\ntoken: first"), HasSubstr("cls"));
}

}  // namespace
}  // namespace roboimi::torchscript_backbone
