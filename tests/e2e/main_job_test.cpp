// Tests of the main workflow on real input: collecting demonstrations, training with a backbone
// that is selected in YAML, and rollouts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "roboimi/common/hash.h"
#include "tests/e2e/program.h"
#include "tests/wait_for.h"

namespace roboimi::e2e {
namespace {

using ::testing::HasSubstr;

// The demonstrations are collected once for all tests of this program.
class MainJob : public WithDemonstrations {
 protected:
  static void SetUpTestSuite() { collect("main_job", /*episodes=*/2); }

  // The arguments of a small training on real frames with the real model classes.
  static std::vector<std::string> training(const std::string& runs,
                                           const std::vector<std::string>& overrides) {
    return words({"run", "--config", "lewm_imf_attnres.yaml", "size=small", "data.path=data",
                  "output_dir=" + runs, "agent.head.n_emb=32", "agent.head.n_layer=2",
                  "agent.head.n_head=4", "train.batch_size=8", "train.threads=2",
                  "train.rollout_every=0", "train.rollout_num_episodes=1"},
                 overrides);
  }
  static std::vector<std::string> random_lewm() {
    return {"agent.backbone.random_init=true", "agent.backbone.num_layers=2"};
  }
};

TEST_F(MainJob, TrainsEvaluatesAndLeavesARunFolder) {
  const Result trained =
      place_->run(training("runs_lewm", words(random_lewm(), {"train.max_steps=3"})));
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const fs::path run = newest_run(*place_ / "runs_lewm");
  for (const char* name :
       {"config.yaml", "run.json", "metrics.jsonl", "log.txt",
        "checkpoints/step_00000003/model.safetensors", "checkpoints/step_00000003/ema.safetensors",
        "checkpoints/step_00000003/optimizer.safetensors", "checkpoints/step_00000003/state.json",
        "checkpoints/latest/state.json", "rollouts/step_00000003/summary.json",
        "rollouts/step_00000003/trajectory_000.png", "rollouts/step_00000003/episode_000.mp4"}) {
    EXPECT_TRUE(fs::exists(run / name)) << name;
  }

  // Rollouts report seed, length and timings.
  const Result evaluated = place_->run(
      {"eval", "--checkpoint", run.string(), "--episodes", "1", "--seed", "1000", "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.errors;
  const auto summary = nlohmann::json::parse(evaluated.output);
  EXPECT_EQ(summary["num_episodes"], 1);
  EXPECT_EQ(summary["episodes"][0]["seed"], 1000);
  EXPECT_EQ(summary["episodes"][0]["length"], 200);
  EXPECT_GT(summary["timings"]["env_step_ms"].get<double>(), 0.0);

  // The open-loop evaluation reports the error on the demonstrations.
  const Result compared = place_->run(
      {"eval", "--open-loop", "--checkpoint", run.string(), "--held-out", "1", "--json"});
  ASSERT_EQ(compared.status, 0) << compared.errors;
  const auto error = nlohmann::json::parse(compared.output);
  ASSERT_EQ(error["episodes"].size(), 1);
  EXPECT_EQ(error["demonstrations"], "from the training data");
  EXPECT_GT(error["normalized_rms"].get<double>(), 0.1);  // after three training steps
  EXPECT_GT(error["roughness_ratio"].get<double>(), 1.0);
}

// Tests images, features, normalizers, alignment and execution together: a policy trained on one
// demonstration lifts the box again from the same initial state; holding the first pose does not.
TEST_F(MainJob, ReproducesTheSingleDemonstrationItIsTrainedOn) {
  const Result trained = place_->run(training(
      "runs_overfit", words(random_lewm(), {"data.max_episodes=1", "agent.head.n_emb=64",
                                            "agent.state_noise=0", "train.max_steps=1500",
                                            "train.batch_size=32", "train.learning_rate=2e-3",
                                            "train.warmup_steps=50", "train.save_every=1500",
                                            "train.threads=1", "train.rollout_num_episodes=0"})));
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const std::string run = newest_run(*place_ / "runs_overfit").string();
  const auto evaluate = [&](const std::string& output, const std::vector<std::string>& more) {
    const Result result = place_->run(words({"eval", "--checkpoint", run, "--episodes", "1",
                                             "--seed", "0", "--output", output, "--video", "0"},
                                            more));
    EXPECT_EQ(result.status, 0) << result.errors;
    return nlohmann::json::parse(read_text(*place_ / output / "summary.json"));
  };
  // Reward 2: the box is lifted. Whether so short a training reaches 4 (handed over) depends on
  // rounding.
  EXPECT_GE(evaluate("overfit", {})["mean_highest_reward"], 2.0);
  EXPECT_EQ(evaluate("held", {"--control", "hold_pose"})["mean_highest_reward"], 0.0);
  // The last weights differ from their average.
  EXPECT_EQ(evaluate("last_weights", {"--no-ema"})["subject"]["weights"], "last");
  EXPECT_NE(read_text(*place_ / "last_weights/trajectory_000.csv"),
            read_text(*place_ / "overfit/trajectory_000.csv"));
}

TEST_F(MainJob, AnEvaluationIsTheSameForAnyNumberOfWorkers) {
  // With velocity prediction, a barely trained policy moves according to its noise, so that
  // episodes differ; in fp32 they also depend on the images.
  ASSERT_EQ(
      place_
          ->run(training("runs_eval", words(random_lewm(),
                                            {"train.max_steps=2", "agent.head.prediction=velocity",
                                             "agent.head.inference_precision=fp32",
                                             "train.rollout_num_episodes=0"})))
          .status,
      0);
  const std::string run = newest_run(*place_ / "runs_eval").string();
  const auto episodes = [&](const std::string& output, const std::vector<std::string>& more) {
    const Result result = place_->run(words({"eval", "--checkpoint", run, "--episodes", "3",
                                             "--seed", "1000", "--video", "1", "--output", output},
                                            more));
    EXPECT_EQ(result.status, 0) << result.errors;
    return read_text(*place_ / output / "episodes.csv");
  };
  const std::string alone = episodes("alone", {"--workers", "1"});
  EXPECT_EQ(std::count(alone.begin(), alone.end(), '\n'), 4);
  EXPECT_EQ(episodes("shared", {"--workers", "3"}), alone);
  EXPECT_EQ(episodes("again", {"--workers", "2"}), alone);
  for (const char* name : {"summary.json", "episode_000.mp4", "trajectory_002.png"}) {
    EXPECT_TRUE(fs::exists(*place_ / "shared" / name)) << name;
  }
  EXPECT_FALSE(fs::exists(*place_ / "shared" / "episode_001.mp4"));
  // Overrides that change how the policy acts change the result.
  const std::string late = episodes("late", {"agent.latency_steps=2", "--workers", "1"});
  EXPECT_NE(late, alone);
  EXPECT_EQ(episodes("late_shared", {"agent.latency_steps=2", "--workers", "3"}), late);
  EXPECT_NE(episodes("ensemble", {"agent.num_action_steps=1", "agent.ensemble_decay=0.01"}), alone);
  EXPECT_NE(episodes("two_steps", {"agent.head.num_inference_steps=2"}), alone);
  EXPECT_NE(episodes("black", {"--control", "black"}), alone);
  EXPECT_THAT(read_text(*place_ / "black" / "summary.json"), HasSubstr("\"control\": \"black\""));
}

TEST_F(MainJob, AnEvaluationIsSavedInTheFolderOfItsCheckpoint) {
  ASSERT_EQ(place_
                ->run(training("runs_kept", words(random_lewm(), {"train.max_steps=1",
                                                                  "train.rollout_num_episodes=0"})))
                .status,
            0);
  const fs::path run = newest_run(*place_ / "runs_kept"), copied = *place_ / "copied";
  fs::copy(run / "checkpoints/step_00000001", copied, fs::copy_options::recursive);
  for (const fs::path& checkpoint : {run, copied}) {
    const Result result = place_->run({"eval", "--checkpoint", checkpoint.string(), "--episodes",
                                       "1", "--seed", "1000", "--video", "0"});
    ASSERT_EQ(result.status, 0) << result.errors;
    EXPECT_TRUE(
        fs::exists(checkpoint / "evaluations/step_00000001_seed_1000_episodes_1/episodes.csv"));
  }
}

TEST_F(MainJob, AnEvaluationNamesTheOverrideThatDoesNotFit) {
  ASSERT_EQ(
      place_
          ->run(training("runs_bad_eval", words(random_lewm(), {"train.max_steps=1",
                                                                "train.rollout_num_episodes=0"})))
          .status,
      0);
  const std::string run = newest_run(*place_ / "runs_bad_eval").string();
  const auto error_of = [&](const std::string& override) {
    const Result result = place_->run({"eval", "--checkpoint", run, "--episodes", "1", override});
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
    return result.errors;
  };
  EXPECT_THAT(error_of("agent.latency_steps=8"), HasSubstr("expected 0 to 7"));
  EXPECT_THAT(error_of("agent.latencysteps=1"), HasSubstr("latency_steps"));
  EXPECT_THAT(
      error_of("agent.head.n_emb=64"),
      ::testing::AllOf(HasSubstr("head."), HasSubstr("overrides may not change the sizes of "
                                                     "weights: agent.head.n_emb=64")));
  EXPECT_THAT(error_of("--control=blind"), HasSubstr("none, hold_pose, black, shuffled"));
  EXPECT_THAT(error_of("--data=elsewhere"), HasSubstr("--data has no effect on rollouts"));
}

TEST_F(MainJob, AFrozenBackboneAlsoTrainsWithoutTheCache) {
  const Result trained = place_->run(
      training("runs_uncached",
               words(random_lewm(), {"cache.enabled=false", "train.max_steps=2",
                                     "train.batch_size=2", "train.rollout_num_episodes=0"})));
  EXPECT_EQ(trained.status, 0) << trained.errors;
  EXPECT_THAT(trained.errors, HasSubstr("the frozen backbone runs again in every step"));
}

TEST_F(MainJob, AnOverrideReplacesOnlyTheBackbone) {
  const Result resnet = place_->run(training(
      "runs_resnet", {"agent/backbone=resnet18", "agent.head.cond_dim=null", "train.max_steps=2",
                      "train.batch_size=2", "train.rollout_num_episodes=0"}));
  ASSERT_EQ(resnet.status, 0) << resnet.errors;
  const std::string config = read_text(newest_run(*place_ / "runs_resnet") / "config.yaml");
  EXPECT_THAT(config, HasSubstr("resnet_backbone"));
  EXPECT_THAT(config, ::testing::Not(HasSubstr("lewm_vit_backbone")));
}

TEST_F(MainJob, AnEncoderFromPythonTrainsFrozenAndTrainable) {
  const std::string file = (*place_ / "encoder.pt").string();
  const std::string source = ROBOIMI_SOURCE_DIR;
  const std::string command = source + "/.venv/bin/python " + source +
                              "/examples/python_backbone/export_encoder.py " + file;
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  for (const std::string frozen : {"true", "false"}) {
    const Result trained =
        place_->run(training("runs_python_" + frozen,
                             {"agent/backbone=torchscript", "agent.backbone.file=" + file,
                              "agent.backbone.resize_height=48", "agent.backbone.resize_width=64",
                              "agent.backbone.frozen=" + frozen, "train.max_steps=2",
                              "train.batch_size=2", "train.rollout_num_episodes=0"}));
    ASSERT_EQ(trained.status, 0) << trained.errors;
  }
  // The run contains the trained weights and a copy of the encoder's program, so the file is not
  // needed anymore.
  fs::remove(file);
  const fs::path run = *place_ / "moved_python_run";
  fs::rename(newest_run(*place_ / "runs_python_false"), run);
  const std::vector<std::string> comparison = {"eval", "--open-loop", "--checkpoint", run.string()};
  const Result moved = place_->run(comparison);
  EXPECT_EQ(moved.status, 0) << moved.errors;
  const Result resumed = place_->run({"run", "--resume", run.string(), "train.max_steps=3"});
  EXPECT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_TRUE(fs::exists(run / "checkpoints/step_00000003/state.json"));
  // Without the copy, as in runs of versions that did not keep one.
  fs::remove_all(run / "files");
  const Result gone = place_->run(comparison);
  EXPECT_EQ(gone.status, 1);
  EXPECT_THAT(gone.errors, HasSubstr("holds the encoder's weights but not its program"));
}

TEST_F(MainJob, ASecondTrainingEncodesNoFrame) {
  const auto arguments = training(
      "runs_cache", words(random_lewm(), {"train.max_steps=1", "train.rollout_num_episodes=0"}));
  ASSERT_EQ(place_->run(arguments).status, 0);
  const Result again = place_->run(arguments);
  ASSERT_EQ(again.status, 0) << again.errors;
  EXPECT_THAT(read_text(newest_run(*place_ / "runs_cache") / "log.txt"),
              HasSubstr("400 frames, 0 encoded now"));
}

TEST_F(MainJob, ACheckpointIsEvaluatedWithoutTheEncodersFile) {
  const fs::path encoder = *place_ / "lewm.safetensors";
  fs::copy(ROBOIMI_SOURCE_DIR "/tests/golden/lewm_vit/lewm4.safetensors", encoder);
  const Result trained = place_->run(
      training("runs_deployed",
               {"agent.backbone.checkpoint=lewm.safetensors", "agent.backbone.num_heads=2",
                "agent.backbone.image_height=32", "agent.backbone.image_width=96",
                "agent.head.cond_dim=48", "train.max_steps=2", "train.rollout_num_episodes=0"}));
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const auto evaluation = [&](const fs::path& run, const std::string& output) {
    const Result result = place_->run({"eval", "--checkpoint", run.string(), "--episodes", "1",
                                       "--seed", "1000", "--json", "--output", output});
    EXPECT_EQ(result.status, 0) << result.errors;
    return read_text(*place_ / output / "episodes.csv");
  };
  const fs::path run = newest_run(*place_ / "runs_deployed"), moved = *place_ / "moved_run";
  const std::string with_file = evaluation(run, "with_file");
  // The configuration has no sizes: they come from the run's own tensors.
  fs::remove(encoder);
  fs::rename(run, moved);
  EXPECT_EQ(evaluation(moved, "without_file"), with_file);
  const Result resumed = place_->run({"run", "--resume", moved.string(), "train.max_steps=3"});
  EXPECT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_THAT(resumed.errors, ::testing::Not(HasSubstr("not bit-exact")));
}

// Trains with a plugin beside the config file and a relative data path, then uses the run from
// other folders.
TEST_F(MainJob, AConfigAndItsPluginMeanTheSameFromAnyFolder) {
  fs::copy(ROBOIMI_BINARY_DIR "/tests/broken/good/libgood.so", *place_ / "libgood.so");
  const fs::path configs = *place_ / "my configs", other = *place_ / "other";
  fs::create_directories(configs);
  fs::create_directories(other);
  fs::rename(*place_ / "libgood.so", configs / "libgood.so");
  write_text_atomically(configs / "policy.yaml",
                        "defaults:\n  - resnet_imf_attnres\n  - _self_\n"
                        "agent: {backbone: {plugin: ./libgood.so}, head: {n_emb: 16, n_layer: 1,\n"
                        "  n_head: 2}}\ndata: {path: data}\noutput_dir: runs_beside\n"
                        "train: {max_steps: 2, batch_size: 2, rollout_num_episodes: 0}\n");
  const std::string config = (configs / "policy.yaml").string();
  const Result trained = place_->run({"run", "--config", config});
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const fs::path run = newest_run(*place_ / "runs_beside");
  const std::string saved = read_text(run / "config.yaml");
  EXPECT_THAT(saved, HasSubstr((configs / "libgood.so").string()));
  EXPECT_THAT(saved, HasSubstr("path: " + (*place_ / "data").string()));
  EXPECT_THAT(saved, HasSubstr("output_dir: " + (*place_ / "runs_beside").string()));

  const auto elsewhere = [&](const std::vector<std::string>& arguments) {
    auto child = place_->start_program(
        "/usr/bin/env",
        words({"-C", other.string(), ROBOIMI_BINARY_DIR "/bin/roboimi"}, arguments));
    child.wait();
    const Result result = place_->result_of(child);
    EXPECT_EQ(result.status, 0) << arguments[0] << ": " << result.errors;
    return result;
  };
  elsewhere({"eval", "--open-loop", "--checkpoint", run.string(), "--held-out", "1"});
  elsewhere({"run", "--resume=" + run.string(), "train.max_steps=3"});
  EXPECT_TRUE(fs::exists(run / "checkpoints/step_00000003"));

  // A run of a suite reads a copy of the config in another folder.
  write_text_atomically(*place_ / "suite/suite.yaml", "name: s\nconfig: '" + config +
                                                          "'\nruns:\n  - {name: a}\ntargets:\n"
                                                          "  here: {kind: local}\n");
  const Result launched = place_->run({"suite", "launch", "suite"});
  ASSERT_EQ(launched.status, 0) << launched.errors;
  const auto manifest = nlohmann::json::parse(read_text(*place_ / "suite/manifest.json"));
  EXPECT_EQ(manifest["runs"][0]["files"][0]["key"], "agent.backbone.plugin");
  EXPECT_EQ(manifest["runs"][0]["files"][0]["path"], (configs / "libgood.so").string());
  EXPECT_TRUE(wait_for(
      [&] {
        return place_->run({"suite", "status", "suite", "--json"}).output.find("\"finished\"") !=
               std::string::npos;
      },
      std::chrono::minutes(2), std::chrono::milliseconds(300)))
      << place_->run({"suite", "status", "suite"}).output;
}

// Only the cache file of this training counts as written, not any file in the cache's folder.
TEST_F(MainJob, ADryRunFindsTheCacheOfItsOwnFeatures) {
  const auto plan = [&](const std::string& last) {
    const Result result = place_->run(training(
        "runs_cached",
        words(random_lewm(), {"cache.folder=cached", "data.max_episodes=1",
                              "train.rollout_num_episodes=0", "train.max_steps=1", last})));
    EXPECT_EQ(result.status, 0) << result.errors;
    return result.output;
  };
  const std::string to_write = "disk          0.2 MB of cache to write";
  fs::create_directories(*place_ / "cached");
  write_text_atomically(*place_ / "cached/embeddings-0123456789abcdef.safetensors",
                        std::string(1 << 20, 'x'));
  EXPECT_THAT(plan("--dry-run"), HasSubstr(to_write));
  plan("seed=0");
  EXPECT_THAT(plan("--dry-run"), HasSubstr("disk          0.0 MB of cache to write"));
}

std::string weights_hash(const fs::path& run, const std::string& step) {
  return sha256_file(run / "checkpoints" / step / "model.safetensors") +
         sha256_file(run / "checkpoints" / step / "ema.safetensors") +
         sha256_file(run / "checkpoints" / step / "optimizer.safetensors");
}

TEST_F(MainJob, AKilledAndResumedTrainingEndsBitExactly) {
  const auto overrides = words(random_lewm(), {"train.max_steps=200", "train.save_every=50",
                                               "train.rollout_num_episodes=0", "seed=3"});
  ASSERT_EQ(place_->run(training("runs_whole", overrides)).status, 0);

  // Kill a second training between steps 100 and 200.
  auto child = place_->start(training("runs_killed", overrides));
  const fs::path runs = *place_ / "runs_killed";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  auto reached = [&] {
    return fs::exists(runs) && !newest_run(runs).empty() &&
           fs::exists(newest_run(runs) / "checkpoints" / "step_00000100");
  };
  while (!reached() && child.running() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_TRUE(child.running()) << "it ended before it could be killed";
  child.terminate();  // SIGKILL
  child.wait();
  const fs::path run = newest_run(runs);
  ASSERT_FALSE(fs::exists(run / "checkpoints" / "step_00000200"));

  // Resumed, it ends with the same weights as the training that was not killed.
  const Result resumed = place_->run({"run", "--resume", run.string()});
  ASSERT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_EQ(weights_hash(run, "step_00000200"),
            weights_hash(newest_run(*place_ / "runs_whole"), "step_00000200"));
}

}  // namespace
}  // namespace roboimi::e2e
