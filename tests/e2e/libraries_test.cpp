// Tests of how the program reacts to the libraries installed on a machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/e2e/program.h"

namespace roboimi::e2e {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// Simulates a CPU with only AVX2 and no GPU, for which oneDNN has no bfloat16 kernels.
const std::map<std::string, std::string> kOnlyAvx2 = {
    {"ONEDNN_MAX_CPU_ISA", "AVX2"}, {"ATEN_CPU_CAPABILITY", "avx2"}, {"CUDA_VISIBLE_DEVICES", ""}};

class WithoutBfloat16 : public WithDemonstrations {
 protected:
  static void SetUpTestSuite() { collect("libraries", /*episodes=*/1); }

  static Result train(const std::vector<std::string>& overrides) {
    return place_->run(
        words({"run", "--config", "lewm_imf_attnres.yaml", "size=small", "data.path=data",
               "agent.head.n_emb=32", "agent.head.n_layer=1", "agent.head.n_head=4",
               "agent.backbone.random_init=true", "agent.backbone.num_layers=1",
               "train.batch_size=4", "train.max_steps=2", "train.rollout_num_episodes=0"},
              overrides),
        kOnlyAvx2);
  }
};

TEST_F(WithoutBfloat16, DoctorReportsIt) {
  const Result result = place_->run({"doctor", "--json"}, kOnlyAvx2);
  std::string found;
  for (const auto& finding : nlohmann::json::parse(result.output)) {
    if (finding["subject"] == "bfloat16 on the CPU") found = finding["text"];
  }
  EXPECT_THAT(found, AllOf(HasSubstr("not available, `auto` uses fp32: "),
                           HasSubstr("(ONEDNN_MAX_CPU_ISA is AVX2)")));
}

TEST_F(WithoutBfloat16, AutomaticPrecisionTrainsAndActs) {
  const Result trained = train({"agent.head.inference_precision=auto"});
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const Result evaluated =
      place_->run({"eval", "--checkpoint", newest_run(*place_ / "runs").string(), "--episodes", "1",
                   "--video", "0"},
                  kOnlyAvx2);
  EXPECT_EQ(evaluated.status, 0) << evaluated.errors;
}

TEST_F(WithoutBfloat16, RequestingItIsAnErrorThatNamesTheOption) {
  for (const std::string option : {"agent.backbone.precision", "agent.head.inference_precision"}) {
    const Result result = train({option + "=bf16"});
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(
        result.errors,
        AllOf(HasSubstr("roboimi run: " + option +
                        ": this CPU cannot compute in bfloat16: expected a CPU"),
              HasSubstr("(ONEDNN_MAX_CPU_ISA is AVX2)"), EndsWith("; set " + option + "=fp32\n")));
  }
}

TEST_F(WithoutBfloat16, MixedPrecisionTrainsAndWarnsThatItIsSlower) {
  const Result result = train({"train.precision=bf16"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.errors, HasSubstr("train.precision=fp32 is faster here"));
}

TEST(Doctor, ListsThePluginThatAnEarlierFolderShadows) {
  const Workplace place("shadowed");
  const fs::path shipped = ROBOIMI_BINARY_DIR "/lib/roboimi/plugins/libresnet_backbone.so";
  const fs::path own = place / "own" / shipped.filename();
  fs::create_directories(own.parent_path());
  fs::copy(shipped, own);
  const Result result =
      place.run({"doctor", "--json", "--plugin-path", own.parent_path().string()});
  std::string found;
  for (const auto& finding : nlohmann::json::parse(result.output)) {
    if (finding["subject"] == "shadowed plugin") found = finding["text"];
  }
  EXPECT_EQ(found,
            shipped.string() + ": the plugin 'resnet_backbone' is loaded from " + own.string());
}

// The files to which the dynamic linker bound the std::filesystem symbols of `ours`, from the lines
// "binding file A [0] to B [0]: normal symbol `S'" of its debug output.
std::vector<std::string> bound_files_of_filesystem(const std::string& linker_log,
                                                   const std::string& ours) {
  static const std::regex kBinding(R"(binding file (\S+) \[\d+\] to (\S+) \[\d+\]: .*`(\S+)')");
  std::vector<std::string> files;
  std::istringstream lines(linker_log);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("_ZNSt10filesystem") == std::string::npos) continue;
    if (!std::regex_search(line, match, kBinding)) continue;
    if (match[1].str().find(ours) != std::string::npos) files.push_back(match[2]);
  }
  return files;
}

// libtorch exports a copy of std::filesystem, which is incomplete in some versions.
TEST(Filesystem, IsTheOneOfLibstdcxxInTheProgramTheLibraryAndThePlugins) {
  const Workplace place("bindings");
  const Result result = place.run(
      {"plugins", "list"},
      {{"LD_BIND_NOW", "1"}, {"LD_DEBUG", "bindings"}, {"LD_DEBUG_OUTPUT", "linker_log"}});
  ASSERT_EQ(result.status, 0) << result.errors;
  std::string linker_log;
  for (const auto& entry : fs::directory_iterator(place.folder())) {
    if (entry.path().filename().string().starts_with("linker_log.")) linker_log += read_text(entry);
  }
  EXPECT_THAT(linker_log, HasSubstr("_ZNSt10filesystem10remove_allERKNS_7__cxx114pathE"));
  for (const char* ours :
       {"/bin/roboimi", "/libroboimi.so", "/roboimi/plugins/libhdf5_dataset.so"}) {
    const auto files = bound_files_of_filesystem(linker_log, ours);
    // Inline functions from a header may be bound to one of roboimi's files.
    EXPECT_THAT(files, Contains(HasSubstr("/libstdc++.so"))) << ours;
    EXPECT_THAT(files, Not(Contains(HasSubstr("/libtorch")))) << ours;
  }
}

// It runs during the build, where a CUDA libtorch cannot be loaded without CUDA's libraries.
TEST(ChecksumProgram, LoadsNothingOfLibtorchThatNeedsCuda) {
  const Workplace place("checksum");
  auto child = place.start_program(ROBOIMI_BINARY_DIR "/bin/roboimi_plugin_checksum", {},
                                   {{"LD_TRACE_LOADED_OBJECTS", "1"}});
  child.wait();
  const std::string libraries = place.result_of(child).output;
  EXPECT_THAT(libraries, HasSubstr("libc10.so => "));
  EXPECT_THAT(libraries, AllOf(Not(HasSubstr("libtorch")), Not(HasSubstr("libroboimi"))));
}

}  // namespace
}  // namespace roboimi::e2e
