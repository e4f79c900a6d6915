// Tests of common user mistakes: each gives a one-line error with what, where, expected, found and
// the next step, a nonzero exit status, and no half-written file under a final name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/e2e/program.h"

namespace roboimi::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BadInput : public WithDemonstrations {
 protected:
  static void SetUpTestSuite() { collect("bad_input", /*episodes=*/1); }

  // Returns the one-line error of a training with these overrides.
  static std::string error_of(const std::vector<std::string>& overrides,
                              const std::map<std::string, std::string>& variables = {}) {
    const Result result = place_->run(
        words({"run", "--config", "lewm_imf_attnres.yaml", "size=small", "data.path=data",
               "output_dir=runs", "train.max_steps=1", "agent.backbone.random_init=true"},
              overrides),
        variables);
    EXPECT_EQ(result.status, 1) << result.errors;
    std::string last;
    std::istringstream lines(result.errors);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("roboimi run: ")) last = line;
    }
    EXPECT_FALSE(last.empty()) << result.errors;
    EXPECT_THAT(result.errors, Not(HasSubstr("terminate called")));
    EXPECT_THAT(result.errors, Not(HasSubstr("Exception raised from")));
    return last;
  }
};

TEST_F(BadInput, AnUnknownKeyNamesTheNearestOne) {
  EXPECT_THAT(error_of({"agent.head.n_embd=64"}), HasSubstr("n_emb"));
  EXPECT_THAT(error_of({"+agent.head.n_embd=64"}), HasSubstr("n_embd"));
}

TEST_F(BadInput, AWrongTypeShowsTheValue) {
  const std::string text = error_of({"train.batch_size=many"});
  EXPECT_THAT(text, HasSubstr("train.batch_size"));
  EXPECT_THAT(text, HasSubstr("many"));
  EXPECT_THAT(text, HasSubstr("integer"));
}

TEST_F(BadInput, SizesBeyondAnyMachineAreRefusedBeforeAnythingIsAllocated) {
  EXPECT_THAT(error_of({"train.batch_size=1000000000000"}), HasSubstr("train.batch_size"));
  EXPECT_THAT(error_of({"agent.pred_horizon=100000000"}), HasSubstr("pred_horizon"));
  EXPECT_THAT(error_of({"agent.head.n_emb=1000000000"}), HasSubstr("n_emb"));
}

TEST_F(BadInput, AHeadThatNeedsTooMuchMemoryIsRefusedBeforeItIsCreated) {
  EXPECT_THAT(error_of({"agent.head.n_emb=16384", "agent.head.n_layer=256"}),
              HasSubstr("not enough memory for the weights of the head"));
}

TEST_F(BadInput, AnAbbreviatedOptionIsUnknown) {
  const Result result = place_->run({"config", "show", "--choice", "lewm_imf_attnres.yaml"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr("unknown option '--choice'"));
}

TEST_F(BadInput, ConfigShowAcceptsTheArgumentsOfRun) {
  const Result named =
      place_->run({"config", "show", "--config", "lewm_imf_attnres.yaml", "seed=7"});
  EXPECT_EQ(named.status, 0) << named.errors;
  EXPECT_THAT(named.output, HasSubstr("seed: 7"));
  EXPECT_EQ(named.output,
            place_->run({"config", "show", "lewm_imf_attnres.yaml", "seed=7"}).output);
}

TEST_F(BadInput, NothingIsCreatedForARunThatCannotWork) {
  const fs::path runs = *place_ / "never";
  const auto failure = [&](const std::vector<std::string>& arguments) {
    return error_of(words({"output_dir=never"}, arguments));
  };
  EXPECT_THAT(failure({"env.camera_names=[front]"}),
              AllOf(HasSubstr("the policy does not fit the environment: camera '"),
                    HasSubstr("' is missing")));
  EXPECT_THAT(failure({"agent.head.n_head=7"}), HasSubstr("n_head"));
  EXPECT_THAT(failure({"--resume", "runs/none"}), HasSubstr("runs/none: no run to resume"));
  EXPECT_THAT(failure({"--resume", "seed=3"}), HasSubstr("never: no run to resume"));
  EXPECT_THAT(failure({"--multirun", "--resume", "seed=0,1"}),
              HasSubstr("--multirun cannot be combined with --resume"));
  EXPECT_THAT(failure({"seed=0,1"}), HasSubstr("--multirun runs each of several values"));
  EXPECT_FALSE(fs::exists(runs));
  EXPECT_FALSE(fs::exists(*place_ / "runs/none"));
  EXPECT_FALSE(fs::exists(*place_ / "seed=3"));
  EXPECT_FALSE(fs::exists(*place_ / "~"));
}

TEST_F(BadInput, EnvNullCanBeCombinedWithASmallSize) {
  const Result shown = place_->run(
      {"run", "--config", "lewm_imf_attnres.yaml", "env=null", "size=small", "data.path=data",
       "agent.backbone.random_init=true", "output_dir=never", "--dry-run"});
  EXPECT_EQ(shown.status, 0) << shown.errors;
  EXPECT_THAT(shown.output, HasSubstr("rollouts      none\n"));
  EXPECT_FALSE(fs::exists(*place_ / "never"));
}

TEST_F(BadInput, ASweepRunsAllItsJobsAndNamesTheFolders) {
  const Result swept = place_->run(
      {"run", "--config", "resnet_imf_attnres.yaml", "size=small", "data.path=data", "env=null",
       "output_dir=sweep", "name=sweep", "data.camera_names=[top]", "train.max_steps=1",
       "train.batch_size=2", "agent.head.n_emb=16", "agent.head.n_layer=1", "agent.head.n_head=2",
       "--multirun", "agent.backbone.keypoints=4,0,8"});
  EXPECT_EQ(swept.status, 1) << swept.errors;
  EXPECT_THAT(swept.errors, HasSubstr("run 3 of 3:"));
  EXPECT_THAT(swept.errors, HasSubstr("agent.backbone.keypoints=0: command line: invalid value"));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(*place_ / "sweep")) {
    names.push_back(entry.path().filename().string().substr(16));
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("sweep_keypoints4", "sweep_keypoints8"));
}

TEST_F(BadInput, PluginsCheckReportsTheConfigThatIsWrongNotThePlugin) {
  const Result checked =
      place_->run({"plugins", "check", ROBOIMI_BINARY_DIR "/lib/roboimi/plugins/libhdf5_dataset.so",
                   "--config", "nope.yaml"});
  EXPECT_EQ(checked.status, 1);
  EXPECT_THAT(checked.errors, HasSubstr("nope.yaml: cannot read"));
  EXPECT_THAT(checked.errors + checked.output, Not(HasSubstr("rejected")));
}

TEST_F(BadInput, AnEvaluationDoesNotMixWithAnother) {
  fs::create_directories(*place_ / "used");
  std::ofstream(*place_ / "used/summary.json") << "{}";
  for (const char* mode : {"--json", "--probe"}) {
    const Result result =
        place_->run({"eval", "--checkpoint", "runs/none", "--output", "used", mode});
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.errors, HasSubstr("used: --output: the folder is in use"));
  }
}

TEST_F(BadInput, AMissingDataFolderIsNamed) {
  EXPECT_THAT(error_of({"data.path=no_such_folder"}), HasSubstr("no_such_folder"));
}

TEST_F(BadInput, AMissingCameraIsNamedTogetherWithTheAvailableOnes) {
  const std::string text = error_of({"data.camera_names=[r_vis,top,wrist]"});
  EXPECT_THAT(text, HasSubstr("wrist"));
  EXPECT_THAT(text, HasSubstr("front"));
}

TEST_F(BadInput, AWrongCondDimShowsTheExpectedSum) {
  const std::string text = error_of({"agent.head.cond_dim=592"});
  EXPECT_THAT(text, HasSubstr("joint_output_dim 192 + state 16 = 208"));
  EXPECT_THAT(text, HasSubstr("592"));
}

TEST_F(BadInput, AFileThatIsNotAPluginIsRejectedWithAReason) {
  std::ofstream(*place_ / "libnot_a_plugin.so") << "plain text";
  const std::string text = error_of({"agent.backbone.plugin=./libnot_a_plugin.so"});
  EXPECT_THAT(text, HasSubstr("libnot_a_plugin.so"));
  EXPECT_THAT(text, HasSubstr("ELF"));
}

TEST_F(BadInput, RandomWeightsMustBeRequestedIfThereIsNoCheckpoint) {
  const std::string text =
      error_of({"agent.backbone.random_init=false", "agent.backbone.checkpoint=null"});
  EXPECT_THAT(text, HasSubstr("checkpoint"));
  EXPECT_THAT(text, HasSubstr("random_init"));
}

TEST_F(BadInput, ATruncatedEpisodeIsNamed) {
  const fs::path broken = *place_ / "broken";
  fs::create_directories(broken);
  for (const auto& entry : fs::directory_iterator(*place_ / "data")) {
    if (entry.path().extension() == ".hdf5") fs::copy(entry.path(), broken / "episode_0.hdf5");
  }
  fs::resize_file(broken / "episode_0.hdf5", fs::file_size(broken / "episode_0.hdf5") / 2);
  EXPECT_THAT(error_of({"data.path=broken"}), HasSubstr("episode_0.hdf5"));
}

TEST_F(BadInput, MissingOpenGlReportsWhatWasTried) {
  const Result result =
      place_->run({"collect", "--config", "collect_sim_transfer.yaml", "size=small",
                   "collect.output=no_gl", "collect.num_episodes=1"},
                  {{"MUJOCO_GL", "nonsense"}});
  EXPECT_NE(result.status, 0);
  EXPECT_THAT(result.errors, HasSubstr("MUJOCO_GL"));
  EXPECT_FALSE(fs::exists(*place_ / "no_gl"));
}

TEST_F(BadInput, AFullDiskLeavesNoHalfFile) {
  namespace bp = boost::process;
  // The shell lowers the file size limit only for the program.
  bp::child child("/bin/bash", "-c",
                  std::string("ulimit -f 200; exec " ROBOIMI_BINARY_DIR
                              "/bin/roboimi collect --config collect_sim_transfer.yaml size=small "
                              "collect.output=full collect.num_episodes=1 collect.workers=1"),
                  bp::start_dir = place_->folder().string(), bp::std_out > bp::null,
                  bp::std_err > (*place_ / "full.txt").string());
  child.wait();
  EXPECT_NE(child.exit_code(), 0);
  EXPECT_THAT(read_text(*place_ / "full.txt"), HasSubstr("File too large"));
  EXPECT_FALSE(fs::exists(*place_ / "full/episode_0.hdf5"));
}

TEST_F(BadInput, ResumingNeedsARunOrAConfig) {
  EXPECT_EQ(place_->run({"run", "--resume"}).errors,
            "roboimi run: --resume names neither a run nor a config: expected --resume RUN_DIR, or "
            "--config CONFIG --resume for the newest run of the config's name; see roboimi run "
            "--help\n");
}

TEST_F(BadInput, MissingDataNamesTheWholeCommandThatCollectsIt) {
  EXPECT_THAT(error_of({"data.path=nowhere"}),
              HasSubstr("collect demonstrations with: roboimi collect --config "
                        "collect_sim_transfer.yaml"));
}

TEST_F(BadInput, AGroupWrittenWithADotIsShownWithASlash) {
  EXPECT_THAT(error_of({"agent.head=diffusion"}),
              HasSubstr("'agent.head' is a table of keys: expected a table; found 'diffusion'; to "
                        "choose a config of the group, write a slash: agent/head=diffusion"));
}

TEST_F(BadInput, AnUnknownCommandNamesTheNearestOne) {
  const Result result = place_->run({"colect"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.errors,
            "roboimi: unknown command 'colect': expected one of run, eval, collect, data, "
            "encode, checkpoint, config, plugins, suite, cache, doctor; did you mean 'roboimi "
            "collect'?\n");
  EXPECT_THAT(place_->run({"trian"}).errors, HasSubstr("did you mean 'roboimi run'?"));
  EXPECT_THAT(place_->run({"plugins", "inspet"}).errors, HasSubstr("did you mean 'inspect'?"));
  EXPECT_THAT(place_->run({"config", "shwo", "x.yaml"}).errors, HasSubstr("did you mean 'show'?"));
}

TEST_F(BadInput, ControlCharactersOfANameDoNotReachTheTerminal) {
  const std::string errors = place_->run({"run\x1b[2J"}).errors;
  EXPECT_THAT(errors, HasSubstr("unknown command 'run\\x1b[2J'"));
  EXPECT_EQ(errors.find('\x1b'), std::string::npos);
}

TEST_F(BadInput, PartOfAComponentsNameIsCompleted) {
  EXPECT_THAT(place_->run({"plugins", "inspect", "resnet"}).errors,
              HasSubstr("no plugin or component 'resnet'; did you mean 'resnet_backbone'?"));
  EXPECT_THAT(place_->run({"plugins", "inspect", "resnet_bakcbone"}).errors,
              HasSubstr("did you mean 'resnet_backbone'?"));
}

TEST_F(BadInput, TheComponentsOfALibraryAreInspectedByItsFile) {
  const std::string file = ROBOIMI_BINARY_DIR "/lib/roboimi/plugins/libresnet_backbone.so";
  const Result inspected = place_->run({"plugins", "inspect", file});
  EXPECT_EQ(inspected.status, 0) << inspected.errors;
  EXPECT_THAT(inspected.output, HasSubstr("backbone resnet_backbone: "));
  EXPECT_THAT(inspected.output, HasSubstr("keypoints"));
  EXPECT_THAT(inspected.output, Not(HasSubstr("lewm_vit_backbone")));
  EXPECT_THAT(place_->run({"plugins", "inspect", "./libnone.so"}).errors,
              HasSubstr("libnone.so: cannot load the plugin: expected a shared library; found no "
                        "such file"));
}

TEST_F(BadInput, TheConfigMayBeAPositionalArgument) {
  const Result run = place_->run({"run", "lewm_imf_attnres.yaml", "size=small", "data.path=data",
                                  "env=null", "output_dir=never", "--dry-run"});
  EXPECT_EQ(run.status, 0) << run.errors;
  EXPECT_THAT(place_->run({"collect", "none.yaml"}).errors, HasSubstr("no config 'none.yaml'"));
  EXPECT_THAT(place_->run({"encode", "none.yaml", "--out", "x.safetensors"}).errors,
              HasSubstr("no config 'none.yaml'"));
  EXPECT_THAT(place_->run({"eval", "--probe", "none.yaml"}).errors,
              HasSubstr("no config 'none.yaml'"));
  EXPECT_THAT(place_->run({"eval", "runs/none"}).errors, HasSubstr("runs/none"));
  EXPECT_THAT(place_->run({"run", "data"}).errors,
              HasSubstr("data: a folder is not a config: expected a YAML file, by path or name; to "
                        "resume a run: roboimi run --resume data"));
}

TEST_F(BadInput, AConfigOfAnotherCommandNamesThatCommand) {
  EXPECT_THAT(place_->run({"collect", "--config", "lewm_imf_attnres.yaml", "size=small"}).errors,
              HasSubstr("this configuration is for training, not for collecting demonstrations; "
                        "use it with: roboimi run --config lewm_imf_attnres.yaml"));
  EXPECT_THAT(place_->run({"run", "collect_sim_transfer.yaml"}).errors,
              HasSubstr("use it with: roboimi collect --config collect_sim_transfer.yaml"));
}

TEST_F(BadInput, AKeyWrittenAsAnOptionIsShownAsAKey) {
  const auto hint = [](const std::vector<std::string>& arguments) {
    return place_->run(words({"run", "--config", "lewm_imf_attnres.yaml"}, arguments)).errors;
  };
  EXPECT_THAT(hint({"--train.max_steps=10"}),
              HasSubstr("write train.max_steps=10, without dashes"));
  EXPECT_THAT(hint({"--batch_size", "8"}), HasSubstr("write train.batch_size=8, without dashes"));
  EXPECT_THAT(hint({"--n_emb", "64"}), HasSubstr("write agent.head.n_emb=64, without dashes"));
  EXPECT_THAT(hint({"batch_size=8"}), HasSubstr("did you mean 'train.batch_size'?"));
}

TEST_F(BadInput, ConfigShowWarnsAboutWhatARunRejects) {
  const Result section = place_->run({"config", "show", "lewm_imf_attnres.yaml", "+train.foo=1"});
  EXPECT_EQ(section.status, 0);
  EXPECT_THAT(section.output, HasSubstr("foo: 1"));
  EXPECT_THAT(section.errors,
              HasSubstr("a run would reject this config: command line: unknown key 'train.foo'"));
  const Result library = place_->run(
      {"config", "show", "lewm_imf_attnres.yaml", "agent.backbone.plugin=./libnope.so"});
  EXPECT_EQ(library.status, 0);
  EXPECT_THAT(library.errors, HasSubstr("agent.backbone.plugin: no such file"));
  EXPECT_EQ(place_->run({"config", "show", "lewm_imf_attnres.yaml"}).errors, "");
  EXPECT_EQ(place_->run({"config", "show", "collect_sim_transfer.yaml"}).errors, "");
}

TEST_F(BadInput, AnEvaluationNamesTheOverridesThatChangeSizes) {
  const Result trained = place_->run(
      {"run", "resnet_imf_attnres.yaml", "size=small", "data.path=data", "env=null",
       "output_dir=sizes", "name=sizes", "data.camera_names=[top]", "train.max_steps=1",
       "train.batch_size=2", "agent.head.n_emb=16", "agent.head.n_layer=1", "agent.head.n_head=2"});
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const std::string run = newest_run(*place_ / "sizes").string();
  const Result result = place_->run({"eval", "--open-loop", run, "agent.head.n_emb=32"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors,
              HasSubstr("overrides may not change the sizes of weights: agent.head.n_emb=32"));
}

TEST_F(BadInput, EveryCommandHasHelpWithAnExample) {
  for (const char* command : {"run", "eval", "collect", "data", "encode", "checkpoint", "config",
                              "plugins", "cache", "doctor"}) {
    const Result result = place_->run({command, "--help"});
    EXPECT_EQ(result.status, 0) << command << result.errors;
    EXPECT_THAT(result.output, HasSubstr("roboimi " + std::string(command))) << command;
    EXPECT_THAT(result.output, HasSubstr("xample")) << command;
  }
}

}  // namespace
}  // namespace roboimi::e2e
