// Features to streams: default rules, options, and the flavors of other tools.
#include <ATen/ATen.h>

#include <fstream>

#include "plugins/lerobot_dataset/camera_shape.h"
#include "plugins/lerobot_dataset/feature_map.h"
#include "roboimi/io/parquet/writer.h"
#include "tests/plugins/lerobot_dataset/set_test.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Features : public SetTest {
 protected:
  // Renames a feature of info.json, keeping its place.
  static void rename(LerobotSet& set, const std::string& from, const std::string& to) {
    nlohmann::ordered_json renamed;
    for (const auto& [name, feature] : set.info["features"].items()) {
      renamed[name == from ? to : name] = feature;
    }
    set.info["features"] = renamed;
  }
  static nlohmann::ordered_json& feature(LerobotSet& set, const std::string& name) {
    return set.info["features"][name];
  }
  void write_modality(const std::string& text) const {
    std::ofstream(folder() / "meta/modality.json") << text;
  }
};

// cases-data 9: the decoded image decides about its shape.
TEST_F(Features, ShapesOfImagesMayBeWrittenInAnyOrder) {
  LerobotSet set(folder(), "v3.0", "image");
  auto& shape = feature(set, "observation.images.top")["shape"];
  for (const std::vector<std::int64_t>& right :
       {std::vector<std::int64_t>{32, 96, 3}, {3, 32, 96}, {}}) {
    shape = right;
    set.write();
    expect_complete(open_set(folder()));
  }
  shape = {96, 32, 3};
  set.write();
  EXPECT_THAT(
      opening_error(),
      HasSubstr("the size of the images of 'observation.images.top' differs from the "
                "feature's shape: expected shape [32, 96, 3] or [3, 32, 96], as the images are 32 "
                "pixels high and 96 wide; found [96, 32, 3]"));
  feature(set, "observation.images.top")["names"] = {"width", "height", "channel"};
  set.write();
  expect_complete(open_set(folder()));
}

TEST_F(Features, ACameraDoesNotTakeTheNameOfAnotherStream) {
  EXPECT_EQ(short_name("observation.images.task"), "observation.images.task");
  EXPECT_EQ(short_name("observation.images.state"), "observation.images.state");
  EXPECT_EQ(short_name("observation.images.states"), "states");
}

// cases-data 10: vectors of length one as plain columns and as lists.
TEST_F(Features, AVectorOfLengthOneMayBeAPlainColumn) {
  using parquet::Type;
  const auto write = [&](bool are_lists) {
    fs::remove_all(folder());
    LerobotSet set(folder(), "v3.0", "image", {3});
    set.cameras.clear();
    for (const char* camera : {"front", "top"}) {
      set.info["features"].erase("observation.images." + std::string(camera));
    }
    for (const char* name : {"observation.state", "action"}) {
      feature(set, name) = {{"dtype", "float32"}, {"shape", {1}}, {"names", nullptr}};
    }
    feature(set, "observation.gripper") = {{"dtype", "int64"}, {"shape", {1}}};
    feature(set, "observation.contact") = {{"dtype", "bool"}, {"shape", {1}}};
    set.write();
    parquet::Values numbers{.values = std::vector<float>{0.5F, 1.5F, 2.5F}};
    if (are_lists) numbers.offsets = {{0, 1, 2, 3}};
    const int depth = are_lists ? 1 : 0;
    parquet::Writer writer(
        set.data_file({}),
        {{.name = "observation.state", .type = Type::kFloat, .list_depth = depth},
         {.name = "action", .type = Type::kFloat, .list_depth = depth},
         {.name = "observation.gripper", .type = Type::kInt64},
         {.name = "observation.contact", .type = Type::kBoolean},
         {.name = "frame_index", .type = Type::kInt64},
         {.name = "episode_index", .type = Type::kInt64},
         {.name = "task_index", .type = Type::kInt64}});
    writer.add_row_group({numbers,
                          numbers,
                          {.values = std::vector<std::int64_t>{7, 8, 9}},
                          {.values = std::vector<std::uint8_t>{1, 0, 1}},
                          {.values = std::vector<std::int64_t>{0, 1, 2}},
                          {.values = std::vector<std::int64_t>{0, 0, 0}},
                          {.values = std::vector<std::int64_t>{0, 0, 0}}});
    writer.close();
  };
  const at::Tensor expected = at::tensor({0.5F, 1.5F, 2.5F}).unsqueeze(1);
  for (const bool are_lists : {false, true}) {
    write(are_lists);
    const LerobotDataset dataset =
        open_set(folder(), {.streams = {"observation.gripper", "observation.contact"}});
    EXPECT_TRUE(at::equal(dataset.state(0), expected));
    EXPECT_TRUE(at::equal(dataset.actions(0), expected));
    EXPECT_TRUE(at::equal(dataset.read_all(0, "observation.gripper"),
                          at::tensor({7.0F, 8.0F, 9.0F}).unsqueeze(1)));
    EXPECT_TRUE(at::equal(dataset.read_all(0, "observation.contact"),
                          at::tensor({1.0F, 0.0F, 1.0F}).unsqueeze(1)));
  }
}

// cases-data 11: names without prefixes, as in openpi's datasets.
TEST_F(Features, NamesNeedNoPrefix) {
  LerobotSet set(folder());
  for (const char* camera : {"front", "top"}) {
    rename(set, "observation.images." + std::string(camera), camera);
  }
  rename(set, "observation.state", "state");
  rename(set, "action", "actions");
  set.camera_prefix = "";
  set.state_name = "state";
  set.action_name = "actions";
  set.write();
  expect_complete(open_set(folder()));
}

TEST_F(Features, OtherNamesAreListedWithTheOptionThatMapsThem) {
  LerobotSet set(folder());
  rename(set, "observation.state", "joints");
  rename(set, "action", "targets");
  set.state_name = "joints";
  set.action_name = "targets";
  set.write();
  EXPECT_THAT(opening_error({.actions = {"targets"}}),
              AllOf(HasSubstr("no feature is called observation.state or state"),
                    HasSubstr("found joints float32 [3], targets float32 [2]"),
                    HasSubstr("data.state=[NAME]")));
  EXPECT_THAT(
      opening_error({.state = {"joints"}}),
      AllOf(HasSubstr("no feature is called action or actions"), HasSubstr("data.actions=[NAME]")));
  expect_complete(open_set(folder(), {.state = {"joints"}, .actions = {"targets"}}));
  const LerobotDataset stateless = open_set(folder(), {.state = {"none"}, .actions = {"targets"}});
  EXPECT_THAT(stateless.spec().names(), ElementsAre("front", "top", "task"));
}

TEST_F(Features, SeveralFeaturesMakeOneState) {
  LerobotSet(folder(), "v3.0", "image").write();
  const LerobotDataset dataset =
      open_set(folder(), {.state = {"observation.state", "action"}, .streams = {"action"}});
  EXPECT_EQ(dataset.spec().state_dim(), 5);
  EXPECT_TRUE(at::equal(dataset.state(1),
                        at::cat({LerobotSet::states(1, 9), LerobotSet::actions(1, 9)}, 1)));
  EXPECT_TRUE(at::equal(dataset.read(1, "action", 2, 3), LerobotSet::actions(1, 9).slice(0, 2, 5)));
  EXPECT_THAT(dataset.spec().at("state").element_names, IsEmpty());
}

TEST_F(Features, CamerasAreChosenByAnyOfTheirNames) {
  LerobotSet(folder()).write();
  write_modality(R"({"video": {"ego_view": {"original_key": "observation.images.top"}}})");
  for (const char* name : {"top", "observation.images.top", "ego_view"}) {
    const LerobotDataset dataset = open_set(folder(), {.camera_names = {name}});
    EXPECT_THAT(dataset.spec().camera_names(), ElementsAre(name));
    EXPECT_EQ(LerobotSet::labels_of(dataset.read_all(0, name)), LerobotSet::labels(1, 0, 12));
  }
  EXPECT_THAT(open_set(folder(), {.camera_names = {"top", "front"}}).spec().camera_names(),
              ElementsAre("top", "front"));
  EXPECT_THAT(opening_error({.camera_names = {"tpo"}}),
              AllOf(HasSubstr("camera 'tpo' is missing"), HasSubstr("found front, top"),
                    HasSubstr("did you mean 'top'?")));
  EXPECT_THAT(opening_error({.camera_names = {"top", "top"}}),
              HasSubstr("two streams are called 'top'"));
}

// cases-data 12: GR00T's flavor.
TEST_F(Features, AnnotationsAreNeverState) {
  LerobotSet set(folder(), "v2.0");
  set.tasks.emplace_back(2, "valid");
  for (const auto& [name, value] : {std::pair("annotation.human.action.task_description", 1),
                                    std::pair("annotation.human.validity", 2)}) {
    feature(set, name) = {{"dtype", "int64"}, {"shape", {1}}};
    set.integer_columns.emplace_back(name, value);
  }
  set.write();
  write_modality(R"({"state": {"arm": {"start": 0, "end": 2}, "hand": {"start": 2, "end": 3}},
                     "action": {"arm": {"start": 0, "end": 2}},
                     "video": {"front": {"original_key": "observation.images.front"}},
                     "annotation": {"human.action.task_description": {}, "human.validity": {}}})");
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(dataset.spec().names(), ElementsAre("state", "front", "top", "task"));
  EXPECT_EQ(text_of(dataset.read(0, "task", 3, 1)[0]), "pick up the box");
  const LerobotDataset annotated =
      open_set(folder(), {.task = "annotation.human.action.task_description"});
  EXPECT_EQ(text_of(annotated.read(0, "task", 3, 1)[0]), "hand the box over");
  write_modality(R"({"state": {"hand": {"start": 2, "end": 4}}})");
  EXPECT_THAT(opening_error(),
              HasSubstr("meta/modality.json: the slice 'hand' does not fit the feature "
                        "'observation.state': expected 0 <= start < end <= 3; found "
                        "{\"start\":2,\"end\":4}"));
}

TEST_F(Features, DepthAndLanguageAreSkippedByName) {
  LerobotSet set(folder());
  feature(set, "observation.images.depth") = {
      {"dtype", "video"}, {"shape", {32, 96, 1}}, {"info", {{"video.pix_fmt", "gray12le"}}}};
  feature(set, "instruction") = {{"dtype", "language"}, {"shape", {1}}};
  set.write();
  const LerobotDataset dataset = open_set(folder());
  expect_complete(dataset);
  EXPECT_THAT(dataset.findings().notes(),
              ElementsAre(HasSubstr("skipped depth cameras: observation.images.depth"),
                          HasSubstr("skipped language columns: instruction")));
  EXPECT_THAT(opening_error({.camera_names = {"depth"}}),
              HasSubstr("camera 'depth' records depth, which is not supported"));
}

TEST_F(Features, TheStateOfASimulatorIsPrivileged) {
  LerobotSet set(folder(), "v3.0", "image");
  rename(set, "observation.state", "observation.environment_state");
  set.state_name = "observation.environment_state";
  set.write();
  const LerobotDataset dataset = open_set(folder());
  EXPECT_EQ(dataset.spec().state_dim(), 0);
  EXPECT_TRUE(at::equal(dataset.env_state(2), LerobotSet::states(2, 12)));
}

TEST_F(Features, AVectorOfAnotherLengthIsNamedWithItsRow) {
  LerobotSet set(folder());
  feature(set, "action")["shape"] = {4};
  set.write();
  const LerobotDataset dataset = open_set(folder());
  EXPECT_THAT(error_text([&] { dataset.actions(1); }),
              HasSubstr("file-000.parquet: row 12 of the column 'action' does not fit the feature: "
                        "expected 4 numbers; found 2 numbers"));
}

TEST_F(Features, ARowThatDoesNotFitIsAnErrorOfItsEpisodeOnly) {
  LerobotSet set(folder());
  set.rows[14].lacks_action = true;
  set.write();
  const LerobotDataset dataset = open_set(folder());
  EXPECT_THAT(error_text([&] { dataset.actions(1); }),
              HasSubstr("row 14 of the column 'action' does not fit the feature: expected 2 "
                        "numbers; found 1 numbers"));
  for (const std::int64_t sound : {0, 2}) {
    EXPECT_TRUE(at::equal(dataset.actions(sound), LerobotSet::actions(sound, 12)));
  }
}

TEST_F(Features, AFeatureNeedsAColumnIfItIsUsed) {
  LerobotSet set(folder());
  feature(set, "observation.effort") = {{"dtype", "float32"}, {"shape", {3}}};
  set.write();
  EXPECT_THAT(only_warning(open_set(folder())),
              HasSubstr("file-000.parquet: features of meta/info.json without a column: "
                        "observation.effort"));
  EXPECT_THAT(opening_error({.streams = {"effort"}}),
              HasSubstr("file-000.parquet: the data file has no column 'observation.effort': "
                        "expected a column for every feature of meta/info.json that is no video; "
                        "found observation.state, action, timestamp, "));
}

TEST_F(Features, TheActionsCannotBeLeftOut) {
  LerobotSet set(folder());
  set.info["features"]["action_extra"] = {{"dtype", "float32"}, {"shape", {1}}};
  set.write();
  EXPECT_THAT(opening_error({.actions = {"action_extra"}}),
              AllOf(HasSubstr("the data file has no column 'action_extra'"),
                    HasSubstr("restore the file, or name the columns of the action in "
                              "data.actions")));
}

TEST_F(Features, NamesOfElementsMayBeATableOfPositions) {
  LerobotSet set(folder());
  feature(set, "observation.state")["names"] = {{"grip", 2}, {"waist", 0}, {"elbow", 1}};
  set.write();
  EXPECT_THAT(open_set(folder()).spec().at("state").element_names,
              ElementsAre("waist", "elbow", "grip"));
}

TEST_F(Features, AShapeIsAListOfSizes) {
  LerobotSet set(folder());
  for (const nlohmann::ordered_json& shape : {nlohmann::ordered_json(3), {"3"}, {3.0}, {-3}}) {
    feature(set, "observation.state")["shape"] = shape;
    set.write();
    EXPECT_THAT(opening_error(),
                HasSubstr("meta/info.json: the feature 'observation.state' has an invalid shape: "
                          "expected a list of sizes, such as [14]; found " +
                          shape.dump() + "; correct the file"));
  }
}

TEST_F(Features, EpisodesAreChosenByNumbersAndRanges) {
  LerobotSet(folder(), "v3.0", "image", {2, 2, 2, 2, 2}).write();
  const auto chosen = [&](const std::vector<std::string>& entries, std::int64_t most = 0) {
    const LerobotDataset dataset = open_set(folder(), {.episodes = entries, .max_episodes = most});
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) numbers.push_back(dataset.number(i));
    return numbers;
  };
  EXPECT_THAT(chosen({"3", "0-1"}), ElementsAre(0, 1, 3));
  EXPECT_THAT(chosen({"0-1,4"}), ElementsAre(0, 1, 4));
  EXPECT_THAT(chosen({}, 2), ElementsAre(0, 1));
  EXPECT_THAT(chosen({"2-4"}, 2), ElementsAre(2, 3));
  EXPECT_THAT(chosen({"3-9"}), ElementsAre(3, 4));
  EXPECT_THAT(opening_error({.episodes = {"5-9"}}),
              HasSubstr("there is no episode 5-9: expected one of 0-4"));
  for (const char* entry : {"a", "3-1", "-2", "1.5", ""}) {
    EXPECT_THAT(opening_error({.episodes = {entry}}),
                HasSubstr("expected numbers and ascending ranges, such as [0-9, 12]"));
  }
}

class JoinedSets : public SetTest {
 protected:
  fs::path other() const { return scratch_.path() / "other"; }
  std::string joining_error(DatasetOptions options = {}) const {
    options.more_paths = {other()};
    return opening_error(options);
  }
};

TEST_F(JoinedSets, FollowEachOther) {
  LerobotSet(folder()).write();
  LerobotSet second(other(), "v2.1", "image", {4, 5});
  second.tasks[0].second = std::string(70, 'x');
  second.write();
  const LerobotDataset dataset = open_set(folder(), {.more_paths = {other()}});
  ASSERT_EQ(dataset.num_episodes(), 5);
  EXPECT_TRUE(at::equal(dataset.actions(4), LerobotSet::actions(1, 5)));
  EXPECT_EQ(LerobotSet::labels_of(dataset.read_all(4, "top")), LerobotSet::labels(1, 1, 5));
  EXPECT_EQ(text_of(dataset.read(3, "task", 0, 1)[0]), std::string(70, 'x'));
  EXPECT_EQ(text_of(dataset.read(0, "task", 0, 1)[0]), "pick up the box");
  EXPECT_EQ(dataset.read(0, "task", 0, 1).size(1), dataset.spec().at("task").shape[0]);
  EXPECT_EQ(open_set(folder(), {.more_paths = {other()}, .max_episodes = 4}).num_episodes(), 4);
  EXPECT_THAT(opening_error({.more_paths = {other(), folder()}}),
              HasSubstr("the folder is listed twice"));
}

TEST_F(JoinedSets, MustFit) {
  LerobotSet(folder()).write();
  LerobotSet second(other());
  second.info["fps"] = 25;
  second.fps = 25.0;
  for (SetRow& row : second.rows) row.timestamp *= 2;
  for (SetEpisode& entry : second.table) {
    for (auto& [camera, window] : entry.windows) {
      window.from *= 2;
      window.to *= 2;
    }
  }
  second.write();
  EXPECT_THAT(joining_error(), AllOf(HasSubstr((other() / "meta/info.json").string()),
                                     HasSubstr("the control rates differ: expected 50 fps"),
                                     HasSubstr("found 25 fps")));
  fs::remove_all(other());
  LerobotSet third(other());
  third.info["features"]["observation.state"]["names"] = {"waist", "grip", "elbow"};
  third.write();
  EXPECT_THAT(joining_error(), HasSubstr("the stream 'state' differs: expected vector [3] (waist, "
                                         "elbow, grip)"));
  fs::remove_all(other());
  LerobotSet fourth(other());
  fourth.info["features"].erase("observation.images.top");
  fourth.write();
  EXPECT_THAT(joining_error(), HasSubstr("the stream 'top' differs"));
  EXPECT_EQ(open_set(folder(), {.more_paths = {other()}, .camera_names = {"front"}}).num_episodes(),
            6);
  EXPECT_THAT(joining_error({.episodes = {"0"}}),
              HasSubstr("data.episodes selects episodes of one folder"));
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
