// Tests of `roboimi checkpoint`, with files written by Python in the layouts of LEWM checkpoints.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "roboimi/common/hash.h"
#include "roboimi/io/safetensors.h"
#include "tests/unit/io/io_test_support.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Outcome {
  int status = -1;
  std::string text;  // stdout and stderr
};

Outcome run(const std::string& arguments) {
  const std::string command = ROBOIMI_BINARY_DIR "/bin/roboimi checkpoint " + arguments + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  Outcome outcome;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof(buffer), pipe)) {
    outcome.text.append(buffer, got);
  }
  outcome.status = WEXITSTATUS(::pclose(pipe));
  return outcome;
}

class CheckpointCommand : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("roboimi_command_" + std::to_string(::getpid()));
    const std::string command = std::string(ROBOIMI_SOURCE_DIR "/.venv/bin/python ") +
                                ROBOIMI_SOURCE_DIR "/tests/reference/write_checkpoints.py " +
                                folder_.string();
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }
  static std::string path(const std::string& name) { return (folder_ / name).string(); }
  static fs::path folder_;
};

fs::path CheckpointCommand::folder_;

TEST_F(CheckpointCommand, EveryLewmCheckpointConvertsToTheSameWeights) {
  const TensorFile expected = read_safetensors(path("expected_lewm.safetensors"));
  for (const char* name : {"lewm_lightning.ckpt", "lewm_compiled_5.pt", "lewm_module_5.pt",
                           "lewm_weights.pt", "lewm_5.safetensors"}) {
    const Outcome outcome =
        run("convert " + path(name) + " " + path("out.safetensors") + " --layout lewm");
    ASSERT_EQ(outcome.status, 0) << outcome.text;
    const TensorFile converted = read_safetensors(path("out.safetensors"));
    EXPECT_EQ(converted.tensors.size(), expected.tensors.size()) << name;
    for (const auto& [key, tensor] : expected.tensors) {
      ASSERT_TRUE(converted.tensors.contains(key)) << name << " " << key;
      EXPECT_TRUE(at::equal(converted.tensors.at(key), tensor)) << name << " " << key;
    }
    EXPECT_EQ(converted.metadata.at("roboimi.source.sha256"), sha256_file(path(name)));
    EXPECT_EQ(converted.metadata.at("roboimi.fusion.camera_names"), "front,top,r_vis");
    EXPECT_EQ(converted.metadata.at("roboimi.preprocessing"), "imagenet_then_antialiased_bilinear");
  }
}

TEST_F(CheckpointCommand, FusionOptionsAreWrittenAndSurviveAnotherConversion) {
  ASSERT_EQ(run("convert " + path("lewm_weights.pt") + " " + path("a.safetensors") +
                " --layout lewm --fusion vertical --cameras r_vis,top,front --height 448")
                .status,
            0);
  ASSERT_EQ(run("convert " + path("a.safetensors") + " " + path("b.safetensors") +
                " --layout lewm --width 96")
                .status,
            0);
  const auto metadata = read_safetensors(path("b.safetensors")).metadata;
  EXPECT_EQ(metadata.at("roboimi.fusion.layout"), "vertical");
  EXPECT_EQ(metadata.at("roboimi.fusion.camera_names"), "r_vis,top,front");
  EXPECT_EQ(metadata.at("roboimi.fusion.height"), "448");
  EXPECT_EQ(metadata.at("roboimi.fusion.width"), "96");
}

TEST_F(CheckpointCommand, PythonReadsAConvertedFile) {
  ASSERT_EQ(
      run("convert " + path("lewm_module_5.pt") + " " + path("p.safetensors") + " --layout lewm")
          .status,
      0);
  const std::string script =
      "from safetensors.torch import load_file; import torch; a = load_file('" +
      path("p.safetensors") + "'); b = load_file('" + path("expected_lewm.safetensors") +
      "'); assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)";
  const std::string command = ROBOIMI_SOURCE_DIR "/.venv/bin/python -c \"" + script + "\"";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(CheckpointCommand, HalvesTheWeightsAndKeepsTheRest) {
  const std::string input = path("lewm_weights.pt"), output = path("half.safetensors");
  ASSERT_EQ(run("convert " + input + " " + output + " --layout lewm --dtype fp16").status, 0);
  const auto expected = read_safetensors(path("expected_lewm.safetensors")).tensors;
  const auto halved = read_safetensors(output).tensors;
  ASSERT_EQ(halved.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    const bool is_weight = tensor.is_floating_point() && tensor.dim() >= 2;
    EXPECT_TRUE(at::equal(halved.at(name), is_weight ? tensor.to(at::kHalf) : tensor)) << name;
  }
  EXPECT_THAT(run("convert " + input + " " + output + " --layout lewm --dtype int8").text,
              HasSubstr("expected one of keep, fp32, fp16, bf16; found 'int8'"));
}

TEST_F(CheckpointCommand, InspectPrintsJsonOfTensorsLayoutAndOtherContents) {
  const Outcome outcome = run("inspect --json " + path("lewm_lightning.ckpt"));
  ASSERT_EQ(outcome.status, 0) << outcome.text;
  const auto json = nlohmann::json::parse(outcome.text);
  EXPECT_EQ(json["format"], "lightning");
  EXPECT_EQ(json["layout"]["name"], "lewm");
  EXPECT_EQ(json["layout"]["prefixes"], nlohmann::json({"model."}));
  EXPECT_EQ(json["layout"]["left_out"], nlohmann::json({"model.predictor.weight"}));
  EXPECT_EQ(json["other_contents"], nlohmann::json({"epoch: 1"}));
  const auto& first = json["tensors"][0];
  EXPECT_EQ(first["name"], "model.encoder.embeddings.cls_token");
  EXPECT_EQ(first["shape"], nlohmann::json({1, 1, 8}));
  EXPECT_EQ(first["dtype"], "Float");
}

TEST_F(CheckpointCommand, InspectDescribesTheContents) {
  const std::string text = run("inspect " + path("lewm_compiled_5.pt")).text;
  EXPECT_THAT(text, HasSubstr("prefix _orig_mod. model., newer names, 1 others not used"));
  EXPECT_THAT(run("inspect " + path("policy_object.ckpt")).text,
              HasSubstr("layout: not recognized"));
  EXPECT_THAT(run("inspect " + path("not_finite.pt")).text,
              HasSubstr("2 weights are NaN or infinite"));
}

TEST_F(CheckpointCommand, ErrorsAreOneLine) {
  const auto expect_line = [](const Outcome& outcome, const std::string& text) {
    EXPECT_NE(outcome.status, 0);
    EXPECT_THAT(outcome.text, HasSubstr(text));
    EXPECT_EQ(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 1) << outcome.text;
  };
  const std::string input = path("lewm_weights.pt"), output = path("never.safetensors");
  expect_line(run("convert " + path("state_dict.pt") + " " + output + " --layout lewm"),
              "the file holds no weights of a LEWM encoder");
  expect_line(run("convert " + input + " " + output + " --layout lewn"), "did you mean 'lewm'?");
  expect_line(run("convert " + input + " " + output), "--layout is missing");
  expect_line(run("convert " + input + " " + output + " --layout lewm --fusion diagonal"),
              "expected one of horizontal, vertical, grid");
  expect_line(run("convert " + input + " " + output + " --layout lewm --height 0"),
              "expected a number of pixels");
  expect_line(run("inspect " + path("bomb.pt")), "the archive is too large when unpacked");
  expect_line(run("inspect"), "inspect takes one file");
  expect_line(run("examine x"), "expected inspect, convert or verify");
  EXPECT_FALSE(fs::exists(output));
}

}  // namespace
}  // namespace roboimi
