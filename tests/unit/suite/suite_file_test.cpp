#include "suite/suite_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/error_text.h"
#include "tests/unit/suite/suite_folder.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

SuiteFile read(const std::string& text) {
  const SuiteFolder folder;
  return read_suite_file(folder.write("suite.yaml", text));
}

std::string error_of(const std::string& text) {
  const SuiteFolder folder;
  const auto file = folder.write("suite.yaml", text);
  std::string error = error_text([&] { read_suite_file(file); });
  const std::string start = file.string();
  return error.starts_with(start) ? "suite.yaml" + error.substr(start.size()) : error;
}

std::vector<std::string> names_of(const SuiteFile& suite) {
  std::vector<std::string> names;
  for (const SuiteRun& run : suite.runs) names.push_back(run.name);
  return names;
}

constexpr const char* kTargets = "targets: {here: {kind: local}}\n";

TEST(SuiteFile, ExpandsGridsAndSeedsWithTheFirstSeedOfAllRunsFirst) {
  const SuiteFile suite = read(
      "name: s\nconfig: c.yaml\noverrides: [train.max_steps=5]\nseeds: [3, 4]\n"
      "runs:\n"
      "  - {name: a, overrides: ['note=$(rm -rf x); `y`']}\n"
      "  - {name: b, grid: {agent.head.n_layer: [6, 12], agent/backbone: [resnet18]}}\n"
      "  - {name: c, seeds: [7]}\n" +
      std::string(kTargets));
  EXPECT_THAT(names_of(suite), ElementsAre("a_seed3", "b_n_layer_6_backbone_resnet18_seed3",
                                           "b_n_layer_12_backbone_resnet18_seed3", "c_seed7",
                                           "a_seed4", "b_n_layer_6_backbone_resnet18_seed4",
                                           "b_n_layer_12_backbone_resnet18_seed4"));
  EXPECT_THAT(suite.runs[0].overrides, ElementsAre("train.max_steps=5", "note=$(rm -rf x); `y`"));
  EXPECT_THAT(suite.runs[2].overrides,
              ElementsAre("train.max_steps=5", "agent.head.n_layer=12", "agent/backbone=resnet18"));
  EXPECT_EQ(suite.runs[2].group, "b_n_layer_12_backbone_resnet18");
  EXPECT_EQ(suite.runs[4].seed, 4);
  EXPECT_EQ(suite.runs[4].target, "here");
}

TEST(SuiteFile, WithoutSeedsARunUsesTheSeedOfItsConfig) {
  const SuiteFile suite = read("name: s\nruns: [{name: a, config: c}]\n" + std::string(kTargets));
  EXPECT_THAT(names_of(suite), ElementsAre("a"));
  EXPECT_EQ(suite.runs[0].seed, std::nullopt);
}

TEST(SuiteFile, ErrorsHaveTheLocationAndTheExpectedValue) {
  const std::string head = "name: s\nconfig: c\n";
  EXPECT_THAT(error_of(head + "runs: [{name: a, overides: []}]\n" + kTargets),
              HasSubstr("suite.yaml:3:18: unknown key"));
  EXPECT_THAT(error_of(head + "runs: [{name: a, overides: []}]\n" + kTargets),
              EndsWith("did you mean 'overrides'?"));
  EXPECT_THAT(error_of(head + "runs: [{name: a}, {name: a}]\n" + kTargets),
              HasSubstr("suite.yaml:3:20: two runs have the same name"));
  EXPECT_THAT(error_of(head + "runs: [{name: '$(reboot)'}]\n" + kTargets),
              HasSubstr("suite.yaml:3:9: invalid name: expected at most 100 letters"));
  EXPECT_THAT(error_of(head + "runs: [{name: ../a}]\n" + kTargets), HasSubstr("invalid name"));
  EXPECT_THAT(error_of(head + "runs: []\n" + kTargets), HasSubstr("suite.yaml:3:1: no runs"));
  EXPECT_THAT(error_of(head + kTargets), HasSubstr("suite.yaml: no runs"));
  EXPECT_THAT(error_of(head + "runs: [{name: a}]\n"), HasSubstr("no targets"));
  EXPECT_THAT(error_of("name: s\nruns: [{name: a}]\n" + std::string(kTargets)),
              HasSubstr("the run has no config"));
  EXPECT_THAT(error_of(head + "runs: [{name: a, grid: {x: 3}}]\n" + kTargets),
              HasSubstr("suite.yaml:3:25: no values for 'x'"));
}

TEST(SuiteFile, ErrorsOfTargets) {
  const std::string head = "name: s\nconfig: c\nruns: [{name: a}]\n";
  EXPECT_THAT(error_of(head + "targets: {t: {kind: cloud}}\n"),
              HasSubstr("suite.yaml:4:15: unknown kind of target 't': expected kind: one of "
                        "local"));
  EXPECT_THAT(error_of(head + "targets: {t: {kind: local, slotz: 2}}\n"),
              HasSubstr("did you mean 'slots'?"));
  EXPECT_THAT(error_of(head + "targets: {t: {kind: local, slots: 0}}\n"),
              HasSubstr("an integer from 1 to 1024"));
  // rsync would read these as a local path, a daemon and an option.
  for (const std::string host : {"here/there", "::1", "-oProxyCommand=x", "a b"}) {
    EXPECT_THAT(error_of(head + "targets: {t: {kind: ssh, host: '" + host + "'}}\n"),
                HasSubstr("invalid host: expected user@machine or machine"));
  }
  EXPECT_THAT(error_of(head + "targets: {t: {kind: local}, u: {kind: local}}\n"),
              HasSubstr("the run has no target"));
  EXPECT_THAT(error_of("name: s\nconfig: c\nruns: [{name: a, gpu: 1}]\n"
                       "targets: {t: {kind: local, gpus: [0]}}\n"),
              HasSubstr("the target has no such GPU: expected one of targets.t.gpus"));
  EXPECT_THAT(
      error_of("name: s\nconfig: c\ntarget: u\nruns: [{name: a}]\n" + std::string(kTargets)),
      HasSubstr("unknown target: expected one of here"));
}

TEST(SuiteFile, ARemoteFolderStartsAtTheHomeFolderAndHasNoTilde) {
  const auto folder_of = [](const std::string& folder) {
    const SuiteFile suite = read(
        "name: s\nconfig: c\nruns: [{name: a}]\ntargets: {t: {kind: ssh, "
        "host: node, folder: '" +
        folder + "'}}\n");
    return suite.targets.at("t").folder;
  };
  EXPECT_EQ(folder_of("~/suites/mine"), "suites/mine");
  EXPECT_EQ(folder_of("~//suites"), "suites");
  EXPECT_EQ(folder_of("~"), ".");
  EXPECT_EQ(folder_of("/scratch/me"), "/scratch/me");
  EXPECT_THAT(error_of("name: s\nconfig: c\nruns: [{name: a}]\n"
                       "targets: {t: {kind: ssh, host: node, folder: ~other/suites}}\n"),
              HasSubstr("targets.t.folder: the home folder of another user"));
}

TEST(SuiteFile, OfTheLewmTransferHasTwoRuns) {
  const SuiteFile suite = read_suite_file(
      ROBOIMI_SOURCE_DIR "/experiment_suites/2026-04-05-lewm-vit-transfer/suite.yaml");
  ASSERT_THAT(names_of(suite), ElementsAre("n_emb_384_seed0", "n_emb_256_seed0"));
  EXPECT_EQ(suite.runs[1].overrides.back(), "agent.head.n_emb=256");
  // One GPU is enough, so that the README's command works as printed.
  EXPECT_EQ(suite.runs[0].target, "here");
  EXPECT_THAT(suite.targets.at("here").gpus, ElementsAre(0));
  EXPECT_THAT(suite.targets.at("two_gpus").gpus, ElementsAre(0, 1));
}

}  // namespace
}  // namespace roboimi
