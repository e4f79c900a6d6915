// Files in robomimic's layout, written by h5py (tests/reference/robomimic_files.py). Each is read,
// or rejected with an error that names the problem and the fix.
#include "plugins/hdf5_dataset/robomimic_dataset.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "plugins/hdf5_dataset/hdf5_dataset.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log_route.h"
#include "tests/error_text.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kDemoHeight = 8, kDemoWidth = 10;

// The formulas of robomimic_files.py.
at::Tensor demo_table(std::int64_t number, std::int64_t rows, std::int64_t columns, double offset) {
  const at::Tensor t = at::arange(rows, at::kDouble).view({-1, 1});
  return (1000.0 * static_cast<double>(number) + 10.0 * t + at::arange(columns, at::kDouble) +
          offset)
      .to(at::kFloat);
}

at::Tensor demo_image(std::int64_t number, std::int64_t rows) {
  const auto axis = [](std::int64_t n, std::int64_t factor, at::IntArrayRef shape) {
    return (factor * at::arange(n, at::kLong)).view(shape);
  };
  return (7 * number + axis(rows, 10, {-1, 1, 1, 1}) + axis(kDemoHeight, 8, {-1, 1, 1}) +
          axis(kDemoWidth, 6, {-1, 1}) + axis(3, 20, {-1}))
      .remainder(256)
      .to(at::kByte);
}

std::vector<std::int64_t> numbers_of(const RobomimicDataset& dataset) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) numbers.push_back(dataset.number(i));
  return numbers;
}

class RobomimicFiles : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder();
    run_reference("robomimic_files.py", (*folder_ / "").string());
  }
  static void TearDownTestSuite() { delete folder_; }
  static RobomimicOptions options(const std::string& name) {
    return {.path = *folder_ / (name + ".hdf5")};
  }
  static RobomimicOptions filtered(const std::string& name, const std::string& filter_key) {
    RobomimicOptions options = RobomimicFiles::options(name);
    options.filter_key = filter_key;
    return options;
  }
  static std::string error_of(const RobomimicOptions& options) {
    return error_text([&] { const RobomimicDataset dataset(options); });
  }
  static std::string error_of(const std::string& name) { return error_of(options(name)); }
  static fs::path folder() { return *folder_; }

 private:
  static inline ScratchFolder* folder_ = nullptr;
};

TEST_F(RobomimicFiles, HaveDemonstrationsInTheOrderOfTheirNumbers) {
  const RobomimicDataset dataset(options("gaps"));
  EXPECT_THAT(numbers_of(dataset), ElementsAre(1, 2, 3, 9, 10, 14));
  for (std::int64_t i = 0; i < 6; ++i) EXPECT_EQ(dataset.episode(i).length, 5 + i);
  EXPECT_EQ(dataset.spec().control_hz, 0.0);
  EXPECT_EQ(dataset.spec().action_dim, 7);
  EXPECT_THAT(dataset.spec().names(), ElementsAre("state", "agentview_image", "wrist_image"));
  EXPECT_THAT(dataset.files(), ElementsAre(folder() / "gaps.hdf5"));
}

TEST_F(RobomimicFiles, AreReadAsH5pyWroteThem) {
  const RobomimicDataset dataset(options("gaps"));
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    const std::int64_t number = dataset.number(i), length = dataset.episode(i).length;
    // Robosuite's pose and gripper form the state; the simulator's `object` does not belong to it.
    const at::Tensor state =
        at::cat({demo_table(number, length, 3, 0.25), demo_table(number, length, 4, 0.5),
                 demo_table(number, length, 2, 0.75)},
                1);
    EXPECT_TRUE(at::equal(dataset.state(i), state)) << number;
    EXPECT_TRUE(at::equal(dataset.read(i, "state", 2, 3), state.slice(0, 2, 5))) << number;
    EXPECT_TRUE(at::equal(dataset.actions(i), -demo_table(number, length, 7, 0.0))) << number;
    EXPECT_TRUE(at::equal(dataset.read_all(i, "agentview_image"), demo_image(number, length)));
    EXPECT_TRUE(at::equal(dataset.read(i, "wrist_image", 1, 2),
                          255 - demo_image(number, length).slice(0, 1, 3)));
  }
}

TEST_F(RobomimicFiles, HaveFramesThatAreMappedIfUncompressed) {
  const RobomimicDataset plain(options("gaps")), gzip(options("gzip"));
  EXPECT_FALSE(gzip.frame_extent(0, "agentview_image", 0).has_value());
  EXPECT_TRUE(at::equal(gzip.read_all(0, "agentview_image"), demo_image(0, 5)));
  const auto extent = plain.frame_extent(2, "agentview_image", 4);
  ASSERT_TRUE(extent.has_value());
  std::ifstream file(extent->file, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(extent->offset));
  at::Tensor frame = at::empty({kDemoHeight, kDemoWidth, 3}, at::kByte);
  file.read(static_cast<char*>(frame.data_ptr()), static_cast<std::streamsize>(frame.nbytes()));
  EXPECT_TRUE(at::equal(frame, demo_image(3, 5)[4]));
}

TEST_F(RobomimicFiles, AreSelectedByOriginalNumber) {
  RobomimicOptions some = options("gaps");
  some.episodes = {"2-9", "14"};
  EXPECT_THAT(numbers_of(RobomimicDataset(some)), ElementsAre(2, 3, 9, 14));
  some.max_episodes = 2;
  const RobomimicDataset two(some);
  EXPECT_THAT(numbers_of(two), ElementsAre(2, 3));
  EXPECT_TRUE(at::equal(two.actions(1), -demo_table(3, 7, 7, 0.0)));
  some.episodes = {"4"};
  EXPECT_THAT(error_of(some),
              AllOf(HasSubstr("there is no episode 4"), HasSubstr("one of 1-3, 9-10, 14")));
}

TEST_F(RobomimicFiles, AreReadWithoutDemonstrationsAtFaultIfAsked) {
  const RobomimicOptions strict = options("faulty");
  fs::copy_file(options("gaps").path, strict.path);
  const std::string command =
      ROBOIMI_SOURCE_DIR "/.venv/bin/python -c \"import h5py; f = h5py.File('" +
      strict.path.string() + "', 'r+'); del f['data/demo_1/actions'], f['data/demo_9/obs']\"";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  EXPECT_THAT(error_of(strict), HasSubstr("demo_1"));
  RobomimicOptions lenient = strict;
  lenient.unreadable = Unreadable::kSkip;
  const RobomimicDataset dataset(lenient);
  EXPECT_THAT(numbers_of(dataset), ElementsAre(2, 3, 10, 14));
  EXPECT_THAT(dataset.left_out(), ElementsAre(HasSubstr("demo_1"), HasSubstr("demo_9")));
  EXPECT_TRUE(at::equal(dataset.actions(1), -demo_table(3, 7, 7, 0.0)));
}

TEST_F(RobomimicFiles, AreSelectedByMasksOfEitherKindOfString) {
  for (const std::string kind : {"fixed", "variable"}) {
    const std::string name = "masks_" + kind;
    EXPECT_THAT(numbers_of(RobomimicDataset(filtered(name, "train"))), ElementsAre(0, 3)) << kind;
    EXPECT_THAT(numbers_of(RobomimicDataset(filtered(name, "valid"))), ElementsAre(1)) << kind;
    // Smaller parts of the data may overlap with the others.
    EXPECT_THAT(numbers_of(RobomimicDataset(filtered(name, "50_percent"))), ElementsAre(0, 1));
    EXPECT_THAT(error_of(filtered(name, "test")),
                AllOf(HasSubstr("there is no mask 'test'"), HasSubstr("train, valid")));
  }
  RobomimicOptions both = filtered("masks_fixed", "train");
  both.episodes = {"3"};
  EXPECT_THAT(numbers_of(RobomimicDataset(both)), ElementsAre(3));
}

TEST_F(RobomimicFiles, AreRejectedIfMasksDoNotFit) {
  for (const std::string kind : {"fixed", "variable"}) {
    for (const std::string key : {"train", "valid"}) {
      EXPECT_THAT(error_of(filtered("bad_masks_" + kind, key)),
                  AllOf(HasSubstr("bad_masks_" + kind + ".hdf5"), HasSubstr("demo_3 in both mask/"),
                        HasSubstr("demo_9 in mask/valid, but not in the data")))
          << kind << " " << key;
    }
  }
  EXPECT_THAT(error_of(filtered("val_mask", "20_percent_train")),
              HasSubstr("demo_0 in both mask/20_percent_train and mask/20_percent_val"));
  EXPECT_EQ(RobomimicDataset(options("bad_masks_fixed")).num_episodes(), 4);
  EXPECT_THAT(error_of(filtered("no_masks", "train")), HasSubstr("found no masks"));
  EXPECT_THAT(error_of(filtered("number_mask", "train")),
              AllOf(HasSubstr("not a list of strings"), HasSubstr("int64 [3]")));
}

TEST_F(RobomimicFiles, HaveTheirRateInTheArgumentsOfTheEnvironment) {
  EXPECT_EQ(RobomimicDataset(options("rate")).spec().control_hz, 20.0);
  for (const char* name : {"gaps", "broken_args", "list_args", "negative_rate"}) {
    RobomimicOptions configured = options(name);
    EXPECT_EQ(RobomimicDataset(configured).spec().control_hz, 0.0) << name;
    configured.control_hz = 12.5;
    EXPECT_EQ(RobomimicDataset(configured).spec().control_hz, 12.5) << name;
  }
  std::string log;
  set_log_handler([&](LogLevel, std::string_view line) { (log += line) += '\n'; });
  RobomimicOptions configured = options("rate");
  configured.control_hz = 10.0;
  EXPECT_EQ(RobomimicDataset(configured).spec().control_hz, 10.0);
  const RobomimicDataset unknown(options("gaps"));
  set_log_handler({});
  EXPECT_THAT(log, AllOf(HasSubstr("using data.control_hz, 10 Hz, instead of the recorded 20 Hz"),
                         HasSubstr("the control rate is not recorded; set data.control_hz")));
}

TEST_F(RobomimicFiles, MayHaveKeysOfTheirOwn) {
  RobomimicOptions own = options("own_keys");
  own.actions = {"abs_actions"};
  EXPECT_THAT(
      error_of(own),
      AllOf(HasSubstr("cannot tell which observations are the state"),
            HasSubstr("gripper float64 [5], joints float32 [5, 2], rgb uint8 [5, 8, 10, 3]"),
            HasSubstr("data.state=[KEY, ...]")));
  own.state = {"joints", "gripper"};
  own.camera_names = {"rgb"};
  const RobomimicDataset dataset(own);
  EXPECT_EQ(dataset.spec().action_dim, 1);
  EXPECT_TRUE(at::equal(dataset.actions(1), -demo_table(1, 5, 1, 0.0)));
  EXPECT_TRUE(at::equal(dataset.state(1),
                        at::cat({demo_table(1, 5, 2, 0.0), demo_table(1, 5, 1, 0.0)}, 1)));
  own.camera_names = {"rbg"};
  EXPECT_THAT(error_of(own), AllOf(HasSubstr("demo_0 has no observation 'rbg'"),
                                   HasSubstr("did you mean 'rgb'?")));
  own.actions = {"abs_action"};
  own.camera_names = {"rgb"};
  EXPECT_THAT(error_of(own), HasSubstr("did you mean 'abs_actions'?"));
  own.actions = {"abs_actions"};
  own.camera_names = {"joints"};
  EXPECT_THAT(error_of(own), HasSubstr("demo_0/joints"));

  // LIBERO's names.
  const RobomimicDataset libero(options("libero"));
  EXPECT_TRUE(
      at::equal(libero.state(0), at::cat({demo_table(0, 5, 6, 0.0), demo_table(0, 5, 2, 0.0)}, 1)));
  EXPECT_THAT(libero.spec().camera_names(), ElementsAre("agentview_rgb"));

  // A key named `state` is the state.
  const RobomimicDataset state(options("state_key"));
  EXPECT_TRUE(at::equal(state.state(0), demo_table(0, 5, 2, 0.0)));
  EXPECT_EQ(state.episode(0).success, true);
  EXPECT_EQ(state.episode(0).seed, 42U);
}

TEST_F(RobomimicFiles, AreNotReadWithoutACameraInAnotherLayout) {
  const std::pair<const char*, const char*> cases[] = {{"channels_first", "numpy.moveaxis"},
                                                       {"float_images", "scale them to 0..255"},
                                                       {"rgba", "frames[..., :3]"}};
  for (const auto& [name, remedy] : cases) {
    EXPECT_THAT(error_of(name), AllOf(HasSubstr("camera 'demo_0/side_image'"), HasSubstr(remedy),
                                      HasSubstr("name the cameras in data.camera_names")));
    RobomimicOptions others = options(name);
    others.camera_names = {"wrist_image"};
    EXPECT_EQ(error_or_accepted([&] { const RobomimicDataset dataset(others); }), "accepted");
  }
  // Lists of bytes are encoded frames.
  const RobomimicDataset encoded(options("png_images"));
  EXPECT_TRUE(at::equal(encoded.read_all(0, "side_image"), demo_image(0, 5)));
}

TEST_F(RobomimicFiles, MayHaveABooleanState) {
  const at::Tensor even = demo_table(0, 5, 2, 0.0).remainder(2).eq(0).to(at::kFloat);
  EXPECT_TRUE(at::equal(RobomimicDataset(options("bool_state")).state(0), even));
}

TEST_F(RobomimicFiles, WithDefectsAreRejectedByDemonstration) {
  const std::pair<const char*, std::vector<const char*>> cases[] = {
      {"short_state", {"/data/demo_2/obs/robot0_eef_pos", "expected 5 rows", "found 4"}},
      {"no_actions", {"no '/data/demo_1/actions'", "robomimic's layout", "data.episodes"}},
      {"no_wrist", {"no '/data/demo_2/obs/wrist_image'", "leave it out with data.episodes"}},
      {"no_observations", {"no observations", "dataset_states_to_obs.py"}},
      {"other_size", {"the height of camera 'agentview_image' of demo_3", "expected 8; found 16"}},
      {"other_width", {"the actions of demo_1 does not match demo_0", "expected 7; found 6"}},
      {"same_number", {"the same number", "/data/demo_01 and /data/demo_1"}},
      // Otherwise the default rule would pass over `state`.
      {"broken_link", {"'/data/demo_0/obs/state' is a broken link"}},
      {"empty_demo", {"demo_1 has no rows", "float64 [0, 7]"}},
      {"no_demos", {"the file has no demonstrations", "in /: other"}},
  };
  for (const auto& [name, texts] : cases) {
    const std::string error = error_of(name);
    EXPECT_THAT(error, HasSubstr(std::string(name) + ".hdf5"));
    for (const char* text : texts) EXPECT_THAT(error, HasSubstr(text));
  }
  EXPECT_THAT(error_of("action"), HasSubstr("data.actions=[action]"));
  RobomimicOptions renamed = options("action");
  renamed.actions = {"action"};
  EXPECT_EQ(RobomimicDataset(renamed).num_episodes(), 1);
  // The other demonstrations can be used.
  RobomimicOptions sound = options("other_size");
  sound.episodes = {"0-2"};
  EXPECT_EQ(RobomimicDataset(sound).num_episodes(), 3);
}

TEST_F(RobomimicFiles, AreNotMixedUpWithTheOtherLayout) {
  EXPECT_THAT(error_of("act"), AllOf(HasSubstr("one episode in ACT's layout"),
                                     HasSubstr("hdf5_dataset"), HasSubstr("data=hdf5")));
  const auto act_error = [](const fs::path& path) {
    return error_text([&] { const Hdf5Dataset dataset({.path = path, .camera_names = {"top"}}); });
  };
  EXPECT_THAT(act_error(folder() / "gaps.hdf5"),
              AllOf(HasSubstr("robomimic_dataset"), HasSubstr("data=robomimic data.path=")));
  const ScratchFolder place;
  fs::create_directories(place / "lift");
  fs::copy_file(folder() / "gaps.hdf5", place / "lift/image.hdf5");
  EXPECT_THAT(act_error(place / "lift"),
              AllOf(HasSubstr("data=robomimic data.path="), HasSubstr("lift/image.hdf5"),
                    Not(HasSubstr("rename"))));
  EXPECT_THAT(error_of(RobomimicOptions{.path = place / "lift"}),
              AllOf(HasSubstr("the path is a folder"), HasSubstr("lift/image.hdf5")));
  // A folder of many files.
  fs::create_directories(place / "many");
  for (const int i : {0, 2, 10}) {
    fs::copy_file(folder() / "act.hdf5", place / "many" / fmt::format("episode_{}.hdf5", i));
  }
  EXPECT_THAT(error_of(RobomimicOptions{.path = place / "many"}),
              HasSubstr("found 3 files of ACT's layout (episode_0.hdf5, ...); read it with "
                        "data=hdf5 data.path=" +
                        (place / "many").string()));
  fs::create_directories(place / "tasks");
  for (int i = 0; i < 20; ++i) {
    std::ofstream(place / "tasks" / fmt::format("task_{:02}.hdf5", i)) << "";
  }
  EXPECT_THAT(error_of(RobomimicOptions{.path = place / "tasks"}),
              AllOf(HasSubstr("task_04.hdf5, and 15 more"), Not(HasSubstr("task_05"))));
  fs::create_directories(place / "pusht.zarr");
  std::ofstream(place / "pusht.zarr/.zgroup") << "{}";
  for (const std::string& error : {error_of(RobomimicOptions{.path = place / "pusht.zarr"}),
                                   act_error(place / "pusht.zarr")}) {
    EXPECT_THAT(error, AllOf(HasSubstr("found a zarr store"), HasSubstr("data=zarr data.path=")));
  }
  EXPECT_THAT(error_of(RobomimicOptions{.path = place / "none.hdf5"}), HasSubstr("no such file"));
}

TEST_F(RobomimicFiles, RejectReadsBeyondADemonstration) {
  const RobomimicDataset dataset(options("gaps"));
  for (const auto& [first, count] : {std::pair{4, 2}, std::pair{-1, 1}, std::pair{6, 0}}) {
    EXPECT_THAT(error_text([&] { dataset.read(0, "state", first, count); }),
                AllOf(HasSubstr("rows out of range in demo_1"), HasSubstr("rows 0 to 4")));
  }
  EXPECT_THAT(error_text([&] { dataset.read(0, "sideview", 0, 1); }),
              HasSubstr("'sideview' is not loaded"));
}

}  // namespace
}  // namespace roboimi::hdf5_dataset
