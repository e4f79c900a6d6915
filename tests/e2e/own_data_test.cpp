// Tests of training on a user's own data: the Python code of docs/data.md writes the episodes, and
// configs/own_data.yaml trains on them without a simulator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "roboimi/io/image.h"
#include "tests/e2e/program.h"

namespace roboimi::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Episodes of a robot with three joints and two cameras of different sizes.
constexpr const char* kRecordEpisodes = R"(
import pathlib
pathlib.Path("data").mkdir()
random = np.random.default_rng(0)
for index in range(4):
    phase = np.linspace(0, 3, 12)[:, None] + index
    states = np.concatenate([np.sin(phase), np.cos(phase), phase], 1)
    images = {camera: random.integers(0, 255, (12, *size, 3), np.uint8)
              for camera, size in {"ext": (24, 32), "wrist": (16, 16)}.items()}
    write_episode(f"data/episode_{index}.hdf5", states, states[:, :2] * 0.5, images)
    with h5py.File(f"data/episode_{index}.hdf5", "a") as file:
        tasks = np.array(["reach"] * 8 + ["reach" if index else "grasp"] * 4, "S5")
        file["observations/task"] = tasks.view(np.uint8).reshape(12, 5)
)";

// The first block of Python code of a page.
std::string python_of(const std::string& page) {
  const std::string begin = "```python\n";
  const std::size_t first = page.find(begin) + begin.size();
  return page.substr(first, page.find("```", first) - first);
}

class OwnData : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    place_ = new Workplace("own_data");
    std::ofstream(*place_ / "record.py") << python_of(read_text(DATA_PAGE)) << kRecordEpisodes;
    auto python = place_->start_program(PYTHON, {"record.py"});
    python.wait();
    ASSERT_EQ(python.exit_code(), 0) << read_text(*place_ / "stderr.txt");
  }
  static void TearDownTestSuite() {
    delete place_;
    place_ = nullptr;
  }
  static std::vector<std::string> command(const std::vector<std::string>& more) {
    return words({"run", "--config", "own_data.yaml", "data=hdf5", "data.path=data"}, more);
  }
  // The losses of two steps with a small network.
  static std::vector<double> losses(const std::vector<std::string>& more) {
    const Result trained = place_->run(
        words({"run", "--config", "own_data.yaml", "agent.head.n_emb=32", "agent.head.n_layer=2",
               "agent.head.n_head=4", "agent.backbone.resize_height=32",
               "agent.backbone.resize_width=32", "train.batch_size=4", "train.max_steps=2",
               "train.log_every=1", "train.open_loop_episodes=0"},
              more));
    EXPECT_EQ(trained.status, 0) << trained.errors;
    std::vector<double> found;
    std::ifstream lines(newest_run(*place_ / "runs") / "metrics.jsonl");
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line);
      if (json.contains("train/loss")) found.push_back(json["train/loss"]);
    }
    return found;
  }
  static inline Workplace* place_ = nullptr;
};

TEST_F(OwnData, NeedsNothingButItsFolder) {
  const Result plan = place_->run(command({"--dry-run"}));
  ASSERT_EQ(plan.status, 0) << plan.errors;
  EXPECT_THAT(plan.output, AllOf(HasSubstr("3 training episodes, 1 held out, 36 windows"),
                                 HasSubstr("rollouts      none")));
}

TEST_F(OwnData, TrainsAndRanksCheckpointsByTheActionError) {
  const Result trained = place_->run(command(
      {"agent.head.n_emb=32", "agent.head.n_layer=2", "agent.head.n_head=4",
       "agent.backbone.resize_height=32", "agent.backbone.resize_width=32", "train.batch_size=4",
       "train.max_steps=4", "train.save_every=2", "train.validate_every=2"}));
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const fs::path run = newest_run(*place_ / "runs");
  // Both checkpoints have an action error, and `best` is the one with the smaller.
  std::map<double, std::string> by_error;
  for (const std::string step : {"step_00000002", "step_00000004"}) {
    const auto state = nlohmann::json::parse(read_text(run / "checkpoints" / step / "state.json"));
    by_error[state.at("validation").at("action_error").get<double>()] = step;
  }
  ASSERT_EQ(by_error.size(), 2U);
  EXPECT_EQ(fs::read_symlink(run / "checkpoints/best"), by_error.begin()->second);
  // Commanded against recorded actions of the held-out episode.
  EXPECT_EQ(read_png(run / "validation/step_00000004/open_loop_002.png").size(2), 3);

  const Result compared = place_->run(
      {"eval", "--open-loop", "--checkpoint", run.string(), "--json", "--output", "images"});
  ASSERT_EQ(compared.status, 0) << compared.errors;
  const auto json = nlohmann::json::parse(compared.output);
  EXPECT_EQ(json.at("demonstrations"), "held out of the training");
  EXPECT_EQ(json.at("episodes").at(0).at("index"), 2);
  EXPECT_TRUE(fs::exists(*place_ / "images/open_loop_002.png"));
}

TEST_F(OwnData, TrainsTheSameOnFramesThatAreDecodedLater) {
  const auto losses_with = [](const std::string& frames) {
    return losses({"data=hdf5", "data.path=data", "cache.frames=" + frames});
  };
  const std::vector<double> mapped = losses_with("disk");
  ASSERT_EQ(mapped.size(), 2U);
  EXPECT_EQ(losses_with("stream"), mapped);
  EXPECT_EQ(losses_with("memory"), mapped);
}

TEST_F(OwnData, TrainsTheSameOnALosslessConversion) {
  const Result converted =
      place_->run({"data", "convert", "data", "same", "--to", "lerobot", "writer.codec=lossless"});
  ASSERT_EQ(converted.status, 0) << converted.errors;
  const std::vector<double> original = losses({"data=hdf5", "data.path=data"});
  ASSERT_EQ(original.size(), 2U);
  EXPECT_EQ(losses({"data=lerobot", "data.path=same"}), original);
  // Back in HDF5, also with the instructions as an input.
  const Result back = place_->run({"data", "convert", "same", "back", "--to", "hdf5"});
  ASSERT_EQ(back.status, 0) << back.errors;
  EXPECT_EQ(losses({"data=hdf5", "data.path=back"}), original);
  // Also with cameras in an order other than the alphabetical one, in which HDF5 lists them.
  for (const auto& arguments :
       {std::vector<std::string>{"data", "convert", "data", "turned", "writer.codec=lossless",
                                 "--cameras", "wrist,ext"},
        std::vector<std::string>{"data", "convert", "turned", "turned_back", "--to", "hdf5"}}) {
    const Result turned = place_->run(arguments);
    ASSERT_EQ(turned.status, 0) << turned.errors;
  }
  EXPECT_EQ(losses({"data=hdf5", "data.path=turned_back"}),
            losses({"data=lerobot", "data.path=turned"}));
  const std::string language = "agent.language=task_embedding";
  const std::vector<double> instructed = losses({"data=hdf5", "data.path=data", language});
  EXPECT_NE(instructed, original);
  EXPECT_EQ(losses({"data=lerobot", "data.path=same", language}), instructed);
  EXPECT_EQ(losses({"data=hdf5", "data.path=back", language}), instructed);
  // A frozen backbone reads its features from a cache.
  const std::string frozen = "agent.backbone.frozen=true";
  EXPECT_EQ(losses({"data=lerobot", "data.path=same", frozen}),
            losses({"data=hdf5", "data.path=data", frozen}));
  // Other data, such as a selection of episodes, gives other losses.
  EXPECT_NE(losses({"data=lerobot", "data.path=same", "data.episodes=0-1,3"}), original);
}

TEST_F(OwnData, NamesTheWayOutWhereTheDataDoesNotFitTheSimulator) {
  const auto errors_of = [](const std::vector<std::string>& more) {
    const Result refused = place_->run(
        words({"run", "--config", "resnet_imf_attnres.yaml", "data.path=data", "--dry-run"}, more));
    EXPECT_EQ(refused.status, 1);
    return refused.errors;
  };
  EXPECT_THAT(errors_of({"data=hdf5"}), AllOf(HasSubstr("the policy does not fit the environment"),
                                              HasSubstr("env=null trains without rollouts")));
  EXPECT_THAT(errors_of({"data=hdf5", "data.camera_names=ext,wrist"}),
              AllOf(HasSubstr("the scene has no camera"), HasSubstr("env=null")));
}

TEST_F(OwnData, AsksForItsFolder) {
  const Result refused = place_->run({"run", "--config", "own_data.yaml", "data=hdf5"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors, AllOf(HasSubstr("data.path"), Not(HasSubstr("terminate"))));
}

// Poses [x, y, z, quaternion xyzw, gripper] of a gripper that points down, so that w passes 0. With
// a variable `broken` in the environment, one quaternion is zero.
constexpr const char* kRecordPoses = R"(
import os, pathlib
folder = pathlib.Path("broken" if "broken" in os.environ else "poses")
folder.mkdir()
for index in range(4):
    phase = np.linspace(0, 3, 30)[:, None] + index
    turn, tilt = 0.3 * np.sin(phase), 0.2 * np.cos(2 * phase)
    quaternion = [np.cos(turn) * np.cos(tilt), np.sin(turn) * np.cos(tilt),
                  np.cos(turn) * np.sin(tilt), -np.sin(turn) * np.sin(tilt)]
    poses = np.concatenate([np.sin(phase), np.cos(phase), phase, *quaternion, phase > 2], 1)
    actions = np.concatenate([poses[1:], poses[-1:]])
    if folder.name == "broken" and index == 2:
        actions[7, 3:7] = 0
    write_episode(folder / f"episode_{index}.hdf5", poses, actions, {})
)";

class OwnPoses : public OwnData {
 protected:
  static void record(const std::map<std::string, std::string>& variables) {
    std::ofstream(*place_ / "poses.py") << python_of(read_text(DATA_PAGE)) << kRecordPoses;
    auto python = place_->start_program(PYTHON, {"poses.py"}, variables);
    python.wait();
    ASSERT_EQ(python.exit_code(), 0) << read_text(*place_ / "stderr.txt");
  }
  static std::vector<std::string> training(const std::string& data) {
    return {"run",
            "--config",
            "own_data.yaml",
            "data=hdf5",
            "data.path=" + data,
            "agent/backbone=null",
            "agent.actions=relative",
            "agent.absolute_actions=[7]",
            "agent.action_rotations=[3:quaternion_xyzw]",
            "agent.state_rotations=[3:quaternion_xyzw]",
            "agent.head.n_emb=32",
            "agent.head.n_layer=2",
            "agent.head.n_head=4",
            "train.batch_size=8",
            "train.max_steps=4",
            "train.save_every=2",
            "train.validate_every=2"};
  }
  static std::string weights(const fs::path& run) {
    return read_text(run / "checkpoints/step_00000004/model.safetensors");
  }
};

TEST_F(OwnPoses, AreLearnedResumedAndComparedInTheNumbersOfTheData) {
  record({});
  const Result trained = place_->run(training("poses"));
  ASSERT_EQ(trained.status, 0) << trained.errors;
  const fs::path run = newest_run(*place_ / "runs"), resumed = *place_ / "resumed";
  // Resumed after half of the steps, it ends with the same weights.
  fs::copy(run, resumed, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  fs::remove_all(resumed / "checkpoints/step_00000004");
  for (const char* link : {"latest", "best"}) {
    fs::remove(resumed / "checkpoints" / link);
    fs::create_directory_symlink("step_00000002", resumed / "checkpoints" / link);
  }
  const Result again = place_->run({"run", "--resume", resumed.string()});
  ASSERT_EQ(again.status, 0) << again.errors;
  EXPECT_EQ(weights(resumed), weights(run));
  // The checkpoint and the comparison with the recorded actions have the data's eight numbers.
  const auto state = nlohmann::json::parse(read_text(run / "checkpoints/step_00000004/state.json"));
  EXPECT_EQ(state.at("action_range").at("min").size(), 8U);
  const Result compared =
      place_->run({"eval", "--open-loop", "--checkpoint", run.string(), "--json"});
  ASSERT_EQ(compared.status, 0) << compared.errors;
  const auto json = nlohmann::json::parse(compared.output);
  EXPECT_EQ(json.at("rms").size(), 8U);
}

TEST_F(OwnPoses, WithAQuaternionOfLengthZeroAreRefused) {
  record({{"broken", "1"}});
  const Result refused = place_->run(training("broken"));
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors,
              AllOf(HasSubstr("episode_2.hdf5, dimensions 3 to 6: the action holds a quaternion of "
                              "length 0"),
                    HasSubstr("row 7"), HasSubstr("fix the data")));
}

TEST_F(OwnData, AnInstructionThatChangesWithinAnEpisodeIsCounted) {
  const Result result = place_->run({"data", "info", "data", "--json"});
  ASSERT_EQ(result.status, 0) << result.errors;
  const auto json = nlohmann::json::parse(result.output);
  std::map<std::string, int> counts;
  for (const auto& task : json.at("tasks")) {
    counts[task.at("text")] = task.at("num_episodes");
  }
  EXPECT_EQ(counts, (std::map<std::string, int>{{"reach", 4}, {"grasp", 1}}));
}

}  // namespace
}  // namespace roboimi::e2e
