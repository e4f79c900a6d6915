// Tests that the errors of a first session name the cause and a next step that works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/e2e/program.h"

namespace roboimi::e2e {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class NextStep : public WithDemonstrations {
 protected:
  static void SetUpTestSuite() {
    collect("next_step", /*episodes=*/2);
    const Result trained =
        place_->run({"run", "own_data.yaml", "size=small", "data=hdf5", "data.path=data",
                     "data.camera_names=[top]", "name=small", "train.max_steps=2",
                     "train.batch_size=2", "train.held_out_episodes=1", "train.held_out_fraction=0",
                     "agent.head.n_emb=16", "agent.head.n_layer=1", "agent.head.n_head=2",
                     "agent.backbone.resize_height=32", "agent.backbone.resize_width=32"});
    ASSERT_EQ(trained.status, 0) << trained.errors;
    run_ = newest_run(*place_ / "runs").string();
  }

  static std::string errors_of(const std::vector<std::string>& arguments) {
    const Result result = place_->run(arguments);
    EXPECT_EQ(result.status, 1) << result.output << result.errors;
    return result.errors;
  }
  static std::string training_error(const std::string& config,
                                    const std::vector<std::string>& overrides) {
    return errors_of(words({"run", "--config", config, "--dry-run"}, overrides));
  }

  inline static std::string run_;
};

TEST_F(NextStep, MissingDemonstrationsNameTheCommandThatCollectsThem) {
  EXPECT_THAT(training_error("lewm_imf_attnres.yaml", {"size=small"}),
              EndsWith("; collect these demonstrations with: roboimi collect --config "
                       "collect_sim_transfer.yaml size=small\n"));
  EXPECT_THAT(training_error("lewm_imf_attnres.yaml", {}),
              EndsWith("roboimi collect --config collect_sim_transfer.yaml\n"));
}

TEST_F(NextStep, AResumedRunNeedsNoConfig) {
  EXPECT_THAT(errors_of({"run", "--config", "lewm_imf_attnres.yaml", "--resume", run_}),
              HasSubstr("omit --config: --resume uses the run's own configuration"));
}

TEST_F(NextStep, HabitsOfOtherProgramsAreTranslated) {
  EXPECT_THAT(training_error("lewm_imf_attnres.yaml", {"train.lr=1e-4"}),
              AllOf(HasSubstr("did you mean 'train.learning_rate'?"), Not(HasSubstr("'+"))));
  EXPECT_THAT(training_error("lewm_imf_attnres.yaml", {"agent.backbone.type=resnet"}),
              HasSubstr("did you mean 'resnet_backbone'?"));
  EXPECT_THAT(training_error("own_data.yaml", {"env=sim_transfer"}),
              HasSubstr("to add a choice: +env=sim_transfer"));
  EXPECT_THAT(training_error("own_data.yaml", {"data.camera_names=[wrist,", "overhead]"}),
              HasSubstr("quote the whole override: 'data.camera_names=[wrist, overhead]'"));
}

TEST_F(NextStep, AComponentIsReplacedByItsName) {
  const Result planned =
      place_->run({"run", "lewm_imf_attnres.yaml", "size=small", "data.path=data", "--dry-run",
                   "agent.backbone.resize_height=32", "agent.backbone.type=resnet_backbone",
                   "agent.backbone.resize_width=32", "agent.head.cond_dim=null"});
  EXPECT_EQ(planned.status, 0) << planned.errors;
}

TEST_F(NextStep, AGroupThatIsAddedWorks) {
  const Result planned = place_->run({"run", "own_data.yaml", "size=small", "data=hdf5",
                                      "data.path=data", "+env=sim_transfer", "env.image_height=128",
                                      "env.image_width=128", "--dry-run"});
  EXPECT_EQ(planned.status, 0) << planned.errors;
  EXPECT_THAT(planned.output, HasSubstr("rollouts      "));
  EXPECT_THAT(planned.output, Not(HasSubstr("rollouts      none")));
}

TEST_F(NextStep, TheViewsOfATrainedEncoderAreFixed) {
  EXPECT_THAT(
      training_error("own_data.yaml", {"data=hdf5", "data.path=data", "size=small",
                                       "data.camera_names=[top]", "agent/backbone=lewm_vit"}),
      HasSubstr("agent/backbone=resnet18_224 accepts any cameras"));
  EXPECT_THAT(training_error("own_data.yaml", {"data=hdf5", "data.path=data", "size=small",
                                               "agent.backbone.checkpoint=none.pt"}),
              AllOf(HasSubstr("none.pt: agent.backbone: cannot open"),
                    HasSubstr("set agent.backbone.checkpoint to a file that exists")));
}

TEST_F(NextStep, ATrainingThatIsTooLargeForACpuSaysSo) {
  const std::vector<std::string> plan = {
      "run", "own_data.yaml", "data=hdf5", "data.path=data", "device=cpu", "--dry-run"};
  EXPECT_THAT(place_->run(plan).output,
              HasSubstr("advice        training so many parameters is slow on a CPU: use a GPU"));
  EXPECT_THAT(place_->run(words(plan, {"size=small", "agent.backbone.frozen=true"})).output,
              Not(HasSubstr("advice")));
}

TEST_F(NextStep, AFolderThatCannotBeCreatedIsNotAFullDisk) {
  EXPECT_THAT(training_error("own_data.yaml",
                             {"size=small", "data=hdf5", "data.path=data", "output_dir=/proc/x"}),
              AllOf(HasSubstr("output_dir: cannot "), Not(HasSubstr("disk space"))));
}

TEST_F(NextStep, AnEvaluationWithoutASimulatorIsOpenLoop) {
  EXPECT_THAT(errors_of({"eval", "--checkpoint", run_}),
              HasSubstr("compare it with demonstrations instead: roboimi eval --open-loop "
                        "--checkpoint "));
  EXPECT_THAT(errors_of({"eval", "--open-loop", run_, "data=hdf5", "--data", "data"}),
              HasSubstr("name the data with --data PATH; its format is detected"));
  EXPECT_THAT(errors_of({"eval", "--open-loop", run_, "agent=vla_agent"}),
              HasSubstr("'agent' is a table of keys"));
  std::ofstream(*place_ / "file.txt") << "x";
  EXPECT_THAT(errors_of({"eval", "--open-loop", run_, "--output", "file.txt"}),
              HasSubstr("file.txt: --output: not a folder"));
  EXPECT_THAT(errors_of({"eval", run_, "--episodes", "ten"}),
              HasSubstr("--episodes: invalid value: expected an integer; found 'ten'"));
}

TEST_F(NextStep, OpenLoopRepeatsTheValidationsError) {
  const auto error_of = [](const std::vector<std::string>& more) {
    const Result result = place_->run(words({"eval", "--open-loop", run_, "--json"}, more));
    EXPECT_EQ(result.status, 0) << result.errors;
    return nlohmann::json::parse(result.output);
  };
  const auto state =
      nlohmann::json::parse(read_text(fs::path(run_) / "checkpoints/step_00000002/state.json"));
  const auto compared = error_of({});
  EXPECT_EQ(compared.at("seed"), 0);
  EXPECT_NEAR(compared.at("normalized_rms").get<double>(),
              state.at("validation").at("action_error").get<double>(), 1e-6);
  EXPECT_NE(error_of({"--seed", "1"}).at("normalized_rms"), compared.at("normalized_rms"));
  EXPECT_THAT(place_->run({"eval", "--open-loop", run_}).output,
              HasSubstr("seed of the noise     0\n"));
}

TEST_F(NextStep, OpenLoopReadsDataOfAnotherFormat) {
  EXPECT_THAT(errors_of({"data", "convert", "data", "other", "--to", "zarr"}),
              HasSubstr("expected hdf5 or lerobot"));
  ASSERT_EQ(place_->run({"data", "convert", "data", "other", "--to", "lerobot"}).status, 0);
  const Result compared = place_->run({"eval", "--open-loop", run_, "--data", "other"});
  EXPECT_EQ(compared.status, 0) << compared.errors;
  EXPECT_THAT(compared.output, HasSubstr("2, not from the run's data"));
  EXPECT_THAT(compared.errors, HasSubstr("other: read as lerobot_dataset"));
}

}  // namespace
}  // namespace roboimi::e2e
