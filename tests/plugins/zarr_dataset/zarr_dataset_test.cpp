// Datasets that zarr's Python package wrote (tests/reference/zarr_files.py).
#include "plugins/zarr_dataset/zarr_dataset.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <future>

#include "roboimi/common/error.h"
#include "roboimi/common/log_route.h"
#include "tests/error_text.h"
#include "tests/plugins/zarr_dataset/zarr_values.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::zarr_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Checks the frames of a camera in every episode, together and row by row.
void expect_images(const ZarrDataset& dataset, const std::string& camera) {
  ASSERT_EQ(dataset.num_episodes(), 3);
  for (std::int64_t i = 0; i < 3; ++i) {
    const at::Tensor expected = zarr_images(i);
    ASSERT_EQ(dataset.episode(i).length, expected.size(0));
    EXPECT_TRUE(at::equal(dataset.read_all(i, camera), expected)) << camera << " " << i;
    for (std::int64_t row = 0; row < expected.size(0); ++row) {
      EXPECT_TRUE(at::equal(dataset.read(i, camera, row, 1), expected.narrow(0, row, 1)));
    }
  }
}

void expect_states(const ZarrDataset& dataset, std::int64_t columns) {
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    EXPECT_TRUE(at::equal(dataset.state(i), zarr_table(dataset.number(i), columns)));
    EXPECT_TRUE(at::equal(dataset.actions(i), -zarr_table(dataset.number(i), 2, 0.0)));
  }
}

TEST(ZarrDataset, ReadsPushTWithFloatImages) {
  const ZarrDataset dataset({.path = golden("pusht.zarr"), .control_hz = 10.0});
  EXPECT_THAT(dataset.spec().names(), ElementsAre("state", "img"));
  EXPECT_EQ(dataset.spec().action_dim, 2);
  EXPECT_EQ(dataset.spec().control_hz, 10.0);
  EXPECT_EQ(dataset.spec().image_size("img"), (ImageSize{6, 8}));
  expect_images(dataset, "img");
  expect_states(dataset, 5);
  EXPECT_EQ(dataset.episode(1).file, golden("pusht.zarr"));
}

TEST(ZarrDataset, TakesSomeColumnsOfAnArray) {
  for (const auto& [columns, first, count] :
       {std::tuple{"state[0:2]", 0, 2}, std::tuple{"state[:2]", 0, 2},
        std::tuple{"state[3:]", 3, 2}, std::tuple{"state[:]", 0, 5}}) {
    const ZarrDataset dataset({.path = golden("pusht.zarr"),
                               .state = {columns, "n_contacts"},
                               .actions = {"action[1:]"}});
    const at::Tensor state =
        at::cat({zarr_table(1, 5).narrow(1, first, count), zarr_table(1, 1)}, 1);
    EXPECT_TRUE(at::equal(dataset.state(1), state)) << columns;
    EXPECT_TRUE(at::equal(dataset.actions(1), -zarr_table(1, 2, 0.0).narrow(1, 1, 1)));
  }
  for (const char* columns : {"state[0:6]", "state[2:2]", "state[-1:2]"}) {
    EXPECT_THAT(
        error_text([&] { ZarrDataset({.path = golden("pusht.zarr"), .state = {columns}}); }),
        AllOf(HasSubstr("columns within state[0:5]"), HasSubstr(columns)));
  }
  EXPECT_THAT(
      error_text([] { ZarrDataset({.path = golden("pusht.zarr"), .state = {"state[a:b]"}}); }),
      HasSubstr("there is no array 'data/state[a:b]'"));
}

TEST(ZarrDataset, DecodesEveryCodecAndChunkLayout) {
  const ZarrDataset dataset({.path = golden("codecs.zarr.zip")});
  EXPECT_THAT(
      dataset.spec().camera_names(),
      ElementsAre("blosc_blosclz_1", "blosc_lz4_0", "blosc_lz4_2", "blosc_lz4hc_1", "blosc_zlib_1",
                  "blosc_zstd_0", "gzip", "none", "split_C", "split_F", "zlib", "zstd"));
  for (const std::string& camera : dataset.spec().camera_names()) expect_images(dataset, camera);
  expect_states(dataset, 3);
  EXPECT_THAT(dataset.files(), ElementsAre(golden("codecs.zarr.zip")));
}

TEST(ZarrDataset, ReadsVectorsOfEveryDtypeAndOrder) {
  for (const std::string name : {"big_f4", "big_f8", "little_f2"}) {
    const ZarrDataset dataset(
        {.path = golden("codecs.zarr.zip"), .camera_names = {"none"}, .state = {name}});
    expect_states(dataset, 2);
  }
  for (const std::string name :
       {"big_i2", "big_u4", "i1", "little_i4", "little_u2", "little_u8", "u1"}) {
    const ZarrDataset dataset(
        {.path = golden("codecs.zarr.zip"), .camera_names = {"none"}, .state = {name}});
    for (std::int64_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::equal(dataset.state(i), zarr_table(i, 2, 0.0))) << name;
    }
  }
  const ZarrDataset other({.path = golden("codecs.zarr.zip"),
                           .camera_names = {"none"},
                           .state = {"column_major", "flags"}});
  const at::Tensor flags = at::tensor({0.0F, 1.0F, 0.0F, 1.0F}).view({4, 1});
  EXPECT_TRUE(at::equal(other.state(1), at::cat({zarr_table(1, 4), flags}, 1)));
}

TEST(ZarrDataset, ReadsNestedChunksLikeFlatOnes) {
  const ZarrDataset dataset({.path = golden("nested.zarr")});
  EXPECT_THAT(dataset.spec().camera_names(), ElementsAre("img", "old"));
  expect_images(dataset, "img");
  // The description of `old` does not say that its chunks are nested.
  expect_images(dataset, "old");
  expect_states(dataset, 2);
  EXPECT_THAT(dataset.files(), ::testing::Contains(golden("nested.zarr/data/old/1/0/1/0")));
}

TEST(ZarrDataset, ReadsAZippedFolder) {
  const ZarrDataset dataset({.path = golden("zipped_folder.zarr.zip")});
  expect_images(dataset, "img");
  expect_states(dataset, 5);
}

TEST(ZarrDataset, TrainsWithoutACameraWhoseCodecIsNotKnown) {
  EXPECT_THAT(
      error_text([] { ZarrDataset({.path = golden("umi.zarr.zip")}); }),
      AllOf(HasSubstr("umi.zarr.zip: data/camera0_rgb/.zarray"),
            HasSubstr("array 'data/camera0_rgb'"), HasSubstr("imagecodecs_jpegxl"),
            HasSubstr("one of blosc, zlib, gzip, zstd and none"), HasSubstr("data.camera_names")));
  const ZarrDataset dataset({.path = golden("umi.zarr.zip"), .camera_names = {"camera1_rgb"}});
  expect_images(dataset, "camera1_rgb");
  // UMI's poses and grippers form the state.
  const at::Tensor robot = at::cat({zarr_table(1, 3), zarr_table(1, 3), zarr_table(1, 1)}, 1);
  EXPECT_TRUE(at::equal(dataset.state(1), at::cat({robot, robot}, 1)));
}

TEST(ZarrDataset, ListsAllArraysIfOneCannotBeRead) {
  EXPECT_THAT(
      error_text([] { ZarrDataset({.path = golden("umi.zarr.zip")}); }),
      AllOf(HasSubstr("camera0_rgb uint8 [9, 6, 8, 3] imagecodecs_jpegxl (not readable)"),
            HasSubstr("action float32 [9, 2] blosc"), HasSubstr("robot1_gripper_width float32"),
            HasSubstr("name the arrays to use in data.camera_names")));
}

TEST(ZarrDataset, LeavesOutArraysThatCannotBeReadIfAsked) {
  const ZarrDataset dataset({.path = golden("umi.zarr.zip"), .unreadable = Unreadable::kSkip});
  EXPECT_THAT(dataset.spec().camera_names(), ElementsAre("camera1_rgb"));
  expect_images(dataset, "camera1_rgb");
  // An array that an option names must be readable.
  EXPECT_THAT(error_text([] {
                ZarrDataset({.path = golden("umi.zarr.zip"),
                             .camera_names = {"camera0_rgb"},
                             .unreadable = Unreadable::kSkip});
              }),
              HasSubstr("imagecodecs_jpegxl"));
}

TEST(ZarrDataset, SelectsEpisodesByNumber) {
  const ZarrDataset dataset({.path = golden("pusht.zarr"), .episodes = {"0", "2"}});
  ASSERT_EQ(dataset.num_episodes(), 2);
  EXPECT_EQ(dataset.number(1), 2);
  EXPECT_TRUE(at::equal(dataset.read_all(1, "img"), zarr_images(2)));
  expect_states(dataset, 5);
  EXPECT_EQ(ZarrDataset({.path = golden("pusht.zarr"), .max_episodes = 1}).num_episodes(), 1);
  EXPECT_THAT(error_text([] { ZarrDataset({.path = golden("pusht.zarr"), .episodes = {"3-5"}}); }),
              AllOf(HasSubstr("there is no episode 3-5"), HasSubstr("one of 0-2")));
}

TEST(ZarrDataset, NamesTheArraysThatThereAre) {
  const auto error_of = [](const DatasetOptions& options) {
    return error_text([&] { const ZarrDataset dataset(options); });
  };
  EXPECT_THAT(
      error_of({.path = golden("pusht.zarr"), .camera_names = {"image"}}),
      AllOf(HasSubstr("there is no array 'data/image'"),
            HasSubstr("img float32 [9, 6, 8, 3] blosc"), HasSubstr("state float32 [9, 5]")));
  EXPECT_THAT(error_of({.path = golden("pusht.zarr"), .camera_names = {"state"}}),
              AllOf(HasSubstr("'data/state' is not a camera"), HasSubstr("float32 [9, 5]")));
  EXPECT_THAT(error_of({.path = golden("pusht.zarr"), .state = {"keypoint"}}),
              AllOf(HasSubstr("'data/keypoint' is not a table"), HasSubstr("data.state")));
  EXPECT_THAT(error_of({.path = golden("pusht.zarr"), .actions = {"actions"}}),
              AllOf(HasSubstr("there is no array 'data/actions'"), HasSubstr("'action'?")));
}

TEST(ZarrDataset, TakesActionsFromOtherArraysIfTheConfigNamesThem) {
  // As in UMI's data, which have no actions: the poses of the gripper are the commands.
  const ScratchFolder place;
  fs::copy(golden("pusht.zarr"), place / "poses.zarr", fs::copy_options::recursive);
  fs::remove_all(place / "poses.zarr/data/action");
  DatasetOptions options = {.path = place / "poses.zarr"};
  EXPECT_THAT(error_text([&] { const ZarrDataset dataset(options); }),
              AllOf(HasSubstr("there is no array 'data/action'"),
                    HasSubstr("n_contacts float32 [9, 1] blosc"), HasSubstr("data.actions=[NAME")));
  options.actions = {"state[0:2]", "n_contacts"};
  EXPECT_TRUE(
      at::equal(ZarrDataset(options).actions(1), at::cat({zarr_table(1, 2), zarr_table(1, 1)}, 1)));
  fs::rename(place / "poses.zarr/data/n_contacts", place / "poses.zarr/data/actions");
  options.actions = {};
  EXPECT_TRUE(at::equal(ZarrDataset(options).actions(1), zarr_table(1, 1)));
}

TEST(ZarrDataset, SaysWhatIsNotUsedAndThatTheRateIsUnknown) {
  std::string log;
  set_log_handler([&](LogLevel, std::string_view line) { (log += line) += '\n'; });
  EXPECT_EQ(ZarrDataset({.path = golden("pusht.zarr")}).spec().control_hz, 0.0);
  set_log_handler({});
  EXPECT_THAT(log, AllOf(HasSubstr("set data.control_hz"), HasSubstr("state: state; arrays that"),
                         HasSubstr("keypoint float32 [9, 9, 2]"), Not(HasSubstr("img float32"))));
}

TEST(ZarrDataset, IsReadBySeveralThreadsAtOnce) {
  const ZarrDataset dataset({.path = golden("codecs.zarr.zip")});
  std::vector<std::future<bool>> readers;
  for (std::int64_t reader = 0; reader < 4; ++reader) {
    readers.push_back(std::async(std::launch::async, [&, reader] {
      bool equal = true;
      for (std::int64_t turn = 0; turn < 30; ++turn) {
        const std::int64_t i = (reader + turn) % 3;
        equal = equal && at::equal(dataset.read_all(i, "split_F"), zarr_images(i)) &&
                at::equal(dataset.state(i), zarr_table(i, 3));
      }
      return equal;
    }));
  }
  for (auto& reader : readers) EXPECT_TRUE(reader.get());
}

TEST(ZarrDataset, RejectsReadsBeyondAnEpisode) {
  const ZarrDataset dataset({.path = golden("pusht.zarr")});
  for (const auto& [first, count] : {std::pair{3, 1}, std::pair{-1, 1}, std::pair{0, 4}}) {
    EXPECT_THAT(error_text([&] { dataset.read(0, "img", first, count); }),
                AllOf(HasSubstr("rows out of range in episode 0"), HasSubstr("rows 0 to 2")));
  }
  EXPECT_THAT(error_text([&] { dataset.read(0, "keypoint", 0, 1); }),
              HasSubstr("'keypoint' is not loaded"));
}

}  // namespace
}  // namespace roboimi::zarr_dataset
