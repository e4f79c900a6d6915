// Tests of `roboimi data` and `roboimi cache` on collected demonstrations.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "roboimi/contract/dataset.h"
#include "roboimi/io/image.h"
#include "roboimi/io/video_reader.h"
#include "roboimi/plugin/registry.h"
#include "tests/e2e/program.h"
#include "tests/wait_for.h"

namespace roboimi::e2e {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class DataCommand : public WithDemonstrations {
 protected:
  static void SetUpTestSuite() {
    Registry::instance().load_search_path({});
    collect("data_command", /*episodes=*/2);
  }

  static Result data(const std::vector<std::string>& arguments) {
    return place_->run(words({"data"}, arguments));
  }
  static Json json_of(const std::vector<std::string>& arguments) {
    const Result result = data(words(arguments, {"--json"}));
    EXPECT_EQ(result.status, 0) << result.errors;
    return result.status == 0 ? Json::parse(result.output) : Json();
  }
  static std::shared_ptr<Dataset> open(const std::string& folder) {
    ConfigNode config = ConfigNode::map();
    config.set("type", ConfigNode::scalar("hdf5_dataset"));
    config.set("path", ConfigNode::scalar((*place_ / folder).string()));
    return Registry::instance().create<Dataset>(config, "data");
  }
  // States, actions and labels.
  static void expect_equal_numbers(const Dataset& found, const Dataset& expected) {
    ASSERT_EQ(found.num_episodes(), expected.num_episodes());
    EXPECT_EQ(found.spec().control_hz, expected.spec().control_hz);
    for (std::int64_t i = 0; i < expected.num_episodes(); ++i) {
      EXPECT_TRUE(found.state(i).equal(expected.state(i)));
      EXPECT_TRUE(found.actions(i).equal(expected.actions(i)));
      const auto labels = expected.labels(i);
      ASSERT_FALSE(labels.empty());
      ASSERT_EQ(found.labels(i).size(), labels.size());
      for (const auto& [name, values] : labels) {
        EXPECT_TRUE(found.labels(i).at(name).equal(values)) << name;
      }
    }
  }
};

TEST_F(DataCommand, InfoDescribesTheDemonstrations) {
  const auto dataset = open("data");
  const std::int64_t rows = dataset->episode(0).length + dataset->episode(1).length;
  const Json json = json_of({"info", "data"});
  EXPECT_EQ(json.at("format"), "hdf5_dataset");
  EXPECT_EQ(json.at("num_episodes"), 2);
  EXPECT_EQ(json.at("rows").at("total"), rows);
  EXPECT_EQ(json.at("control_hz"), dataset->spec().control_hz);
  EXPECT_EQ(json.at("action_dim"), dataset->spec().action_dim);
  std::vector<std::string> names;
  for (const Json& stream : json.at("streams")) names.push_back(stream.at("name"));
  EXPECT_EQ(names, dataset->spec().names());
  EXPECT_GT(json.at("bytes"), json.at("decoded_frame_bytes"));  // frames are not compressed
  for (const Json& finding : json.at("findings")) EXPECT_NE(finding.at("kind"), "not_finite");

  const Result shown = data({"info", "data"});
  EXPECT_THAT(shown.output,
              AllOf(HasSubstr("episodes      2\n"), HasSubstr("top "), HasSubstr("[128, 128, 3]")));
}

TEST_F(DataCommand, InfoListsAllArraysIfTheCodecOfOneIsNotKnown) {
  const std::string umi = ROBOIMI_SOURCE_DIR "/tests/golden/zarr/umi.zarr.zip";
  const Json json = json_of({"info", umi});
  EXPECT_EQ(json.at("num_episodes"), 3);
  EXPECT_EQ(json.at("streams").back().at("name"), "camera1_rgb");
  EXPECT_EQ(json.at("findings").at(0).at("kind"), "unreadable");
  EXPECT_THAT(json.at("findings").at(0).at("text").get<std::string>(),
              AllOf(HasSubstr("array 'data/camera0_rgb' is stored with a codec that is not known"),
                    HasSubstr("found imagecodecs_jpegxl"), HasSubstr("camera1_rgb uint8"),
                    HasSubstr("robot0_demo_start_pose")));
  // Other commands do not leave anything out unless they are asked to.
  EXPECT_EQ(data({"stats", umi}).status, 1);
  EXPECT_EQ(data({"stats", umi, "data.unreadable=skip"}).status, 0);
}

TEST_F(DataCommand, InfoListsEpisodesThatCannotBeOpenedAndExaminesTheOthers) {
  fs::copy(*place_ / "data", *place_ / "partial", fs::copy_options::recursive);
  fs::copy_file(*place_ / "data/episode_0.hdf5", *place_ / "partial/episode_2.hdf5");
  fs::resize_file(*place_ / "partial/episode_0.hdf5", 5000);
  fs::resize_file(*place_ / "partial/episode_2.hdf5", 0);
  const Json json = json_of({"info", "partial"});
  EXPECT_EQ(json.at("num_episodes"), 1);
  const auto finding = [&](std::size_t i) { return json.at("findings").at(i); };
  EXPECT_EQ(finding(0).at("kind"), "unreadable");
  EXPECT_THAT(finding(0).at("text").get<std::string>(),
              HasSubstr("episode_0.hdf5: the file is cut off"));
  EXPECT_THAT(finding(1).at("text").get<std::string>(),
              HasSubstr("episode_2.hdf5: not an HDF5 file"));
  EXPECT_EQ(data({"stats", "partial"}).status, 1);
}

TEST_F(DataCommand, InfoShowsTwentyOfManyEpisodesThatCannotBeOpened) {
  fs::create_directories(*place_ / "mostly_broken");
  fs::copy_file(*place_ / "data/episode_0.hdf5", *place_ / "mostly_broken/episode_0.hdf5");
  for (int i = 1; i <= 23; ++i) {
    std::ofstream(*place_ / ("mostly_broken/episode_" + std::to_string(i) + ".hdf5"));
  }
  const std::string shown = data({"info", "mostly_broken"}).output;
  EXPECT_THAT(shown, AllOf(HasSubstr("episode_20.hdf5: not an HDF5 file"),
                           Not(HasSubstr("episode_21.hdf5")),
                           HasSubstr("  and 3 more that cannot be read (--json lists all)\n")));
  const Json findings = json_of({"info", "mostly_broken"}).at("findings");
  EXPECT_THAT(findings.at(22).at("text").get<std::string>(), HasSubstr("episode_23.hdf5"));
}

TEST_F(DataCommand, InfoListsEveryLerobotEpisodeThatCannotBeRead) {
  json_of({"convert", "data", "data", "four", "--to", "lerobot", "--cameras", "front,top"});
  const auto video = [](const std::string& camera, int number) {
    return *place_ / ("four/videos/observation.images." + camera + "/chunk-000/file-00" +
                      std::to_string(number) + ".mp4");
  };
  ASSERT_TRUE(fs::remove(video("front", 0)));
  fs::resize_file(video("top", 2), 1000);
  const Json json = json_of({"info", "four"});
  EXPECT_EQ(json.at("num_episodes"), 2);
  std::vector<std::string> texts;
  for (const Json& finding : json.at("findings")) {
    if (finding.at("kind") == "unreadable") texts.push_back(finding.at("text"));
  }
  EXPECT_THAT(texts, ElementsAre(AllOf(HasSubstr("front/chunk-000/file-000.mp4: the video of "),
                                       HasSubstr("episode 0"), HasSubstr("is missing")),
                                 AllOf(HasSubstr("top/chunk-000/file-002.mp4: episode 2 cannot "),
                                       HasSubstr("cut off"))));
  EXPECT_THAT(data({"info", "four"}).output, AllOf(HasSubstr(texts[0]), HasSubstr(texts[1])));
}

TEST_F(DataCommand, StatsAreThoseOfAllRows) {
  const auto dataset = open("data");
  const at::Tensor states = at::cat({dataset->state(0), dataset->state(1)});
  const Json json = json_of({"stats", "data"});
  const auto maximum = json.at("state").at("max").get<std::vector<double>>();
  ASSERT_EQ(static_cast<std::int64_t>(maximum.size()), states.size(1));
  EXPECT_EQ(maximum[0], states.select(1, 0).max().item<float>());
  EXPECT_NEAR(json.at("state").at("mean")[1], states.select(1, 1).mean().item<float>(), 1e-5);
  EXPECT_EQ(json.at("action").at("q99").size(), dataset->spec().action_dim);
  EXPECT_THAT(data({"stats", "data"}).output, AllOf(HasSubstr("q99"), HasSubstr("action[0]")));
}

TEST_F(DataCommand, ConvertSelectsAndResizesCamerasAndKeepsNumbers) {
  const std::vector<std::string> command = {"convert",   "data",      "smaller",  "--to", "hdf5",
                                            "--cameras", "top,front", "--resize", "48x64"};
  EXPECT_EQ(json_of(command).at("num_kept"), 0);
  const auto original = open("data"), smaller = open("smaller");
  expect_equal_numbers(*smaller, *original);
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(smaller->episode(i).seed, original->episode(i).seed);
    EXPECT_EQ(smaller->episode(i).success, original->episode(i).success);
  }
  EXPECT_EQ(smaller->spec().image_size("front"), (ImageSize{48, 64}));
  EXPECT_EQ(smaller->spec().find("r_vis"), nullptr);
  const at::Tensor expected = resize_image(original->read(1, "top", 20, 1)[0], 48, 64);
  EXPECT_TRUE(smaller->read(1, "top", 20, 1)[0].equal(expected));

  // The same command again keeps what is complete, and writes what is missing.
  fs::remove(*place_ / "smaller/episode_1.hdf5");
  EXPECT_EQ(json_of(command).at("num_kept"), 1);
  expect_equal_numbers(*open("smaller"), *original);
  // Other settings are refused.
  const Result refused =
      data({"convert", "data", "smaller", "--to", "hdf5", "--cameras", "top", "--resize", "48x64"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors,
              AllOf(HasSubstr("converted with other settings"), HasSubstr("'cameras: top,front'")));
}

TEST_F(DataCommand, ConvertMergesDataSetsAndSelectsEpisodes) {
  EXPECT_EQ(json_of({"convert", "data", "data", "merged", "--to", "hdf5", "--episodes", "1-2",
                     "--cameras", "top", "--resize", "16x16"})
                .at("num_episodes"),
            2);
  const auto original = open("data"), merged = open("merged");
  EXPECT_TRUE(merged->actions(0).equal(original->actions(1)));
  EXPECT_TRUE(merged->actions(1).equal(original->actions(0)));
}

TEST_F(DataCommand, ConvertToLerobotAndBackGivesTheSameData) {
  EXPECT_EQ(json_of({"convert", "data", "lerobot", "writer.codec=lossless"}).at("num_episodes"), 2);
  const Json info = json_of({"info", "lerobot"});
  EXPECT_EQ(info.at("format"), "lerobot_dataset");
  EXPECT_EQ(info.at("tasks").at(0).at("num_episodes"), 2);
  EXPECT_EQ(json_of({"convert", "lerobot", "back"}).at("num_episodes"), 2);
  // The same path in other words.
  EXPECT_EQ(json_of({"convert", "./data/../lerobot/", "back"}).at("num_kept"), 2);
  // Instructions, names of elements and units are kept in both formats.
  const Json back_info = json_of({"info", "back"});
  EXPECT_EQ(back_info.at("tasks"), info.at("tasks"));
  EXPECT_EQ(back_info.at("streams"), info.at("streams"));
  const auto original = open("data"), back = open("back");
  expect_equal_numbers(*back, *original);
  for (const std::string& camera : original->spec().camera_names()) {
    for (std::int64_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(back->read_all(i, camera).equal(original->read_all(i, camera))) << camera;
    }
  }
}

TEST_F(DataCommand, AnInterruptedConversionResumes) {
  std::vector<std::string> command = {"data", "convert"};
  command.insert(command.end(), 20, "data");
  command = words(command, {"many", "--to", "hdf5", "--cameras", "top", "--resize", "16x16"});
  auto child = place_->start(command);
  ASSERT_TRUE(wait_for([&] { return fs::exists(*place_ / "many/episode_2.hdf5"); },
                       std::chrono::seconds(60)));
  ::kill(child.id(), SIGINT);
  child.wait();
  const Result interrupted = place_->result_of(child);
  ASSERT_EQ(interrupted.status, 130) << interrupted.errors;
  EXPECT_THAT(interrupted.errors, HasSubstr("run the same command again to resume"));
  EXPECT_FALSE(fs::exists(*place_ / "many/episode_39.hdf5"));
  const Result resumed = place_->run(words(command, {"--json"}));
  ASSERT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_GE(Json::parse(resumed.output).at("num_kept"), 3);
  EXPECT_EQ(open("many")->num_episodes(), 40);
  EXPECT_FALSE(fs::exists(*place_ / "many/.staged"));
}

TEST_F(DataCommand, PlayWritesAVideoAndAPage) {
  const Json files = json_of({"play", "data", "--episode", "1", "--output", "shown"});
  EXPECT_EQ(files.at("video"), "shown/episode_001.mp4");
  const auto dataset = open("data");
  VideoReader video(*place_ / "shown/episode_001.mp4");
  EXPECT_EQ(video.num_frames(), dataset->episode(1).length);
  // Three cameras of 240 x 240 pixels, in the order of the data; codecs lose a little.
  const at::Tensor frame = video.read(10, 1)[0];
  const std::string camera = dataset->spec().camera_names()[0];
  const at::Tensor expected = resize_image(dataset->read(1, camera, 10, 1)[0], 240, 240);
  const at::Tensor found = frame.slice(0, 0, 240).slice(1, 0, 240);
  EXPECT_LT((found.to(at::kFloat) - expected.to(at::kFloat)).abs().mean().item<double>(), 8.0);

  const std::string page = read_text(*place_ / "shown/episode_001.html");
  EXPECT_THAT(page, AllOf(HasSubstr("<svg"), HasSubstr("class=\"action\" points=\"0,"),
                          HasSubstr("src=\"data:video/mp4;base64,")));
  EXPECT_EQ(page.find("http"), std::string::npos);
  EXPECT_THAT(data({"play", "data", "--episode", "1", "--output", "shown"}).errors,
              HasSubstr("replaced shown/episode_001.mp4 and .html"));
}

TEST_F(DataCommand, ErrorsNameTheNextStep) {
  EXPECT_THAT(data({"play", "data", "--episode", "7"}).errors,
              HasSubstr("roboimi data: --episode: there is no such episode: expected from 0 to 1; "
                        "found 7; see roboimi data info"));
  EXPECT_THAT(data({"info", "nowhere"}).errors, HasSubstr("nowhere: there is no dataset"));
  EXPECT_THAT(data({"conver", "a", "b"}).errors, HasSubstr("did you mean 'convert'?"));
  EXPECT_THAT(data({"info"}).errors, HasSubstr("expected roboimi data info PATH"));
  EXPECT_THAT(data({"info", "data", "path=x"}).errors, HasSubstr("expected data.KEY=VALUE"));
  EXPECT_THAT(data({"info", "data", "data.camera_name=[top]"}).errors,
              HasSubstr("did you mean 'camera_names'?"));
  EXPECT_THAT(data({"convert", "data", "x", "--to", "hdf"}).errors,
              HasSubstr("no plugin writes the format 'hdf'"));
  EXPECT_THAT(data({"convert", "data", "x", "--resize", "48"}).errors,
              HasSubstr("expected HEIGHTxWIDTH in pixels"));
  const std::string zarr = ROBOIMI_SOURCE_DIR "/tests/golden/zarr/pusht.zarr";
  EXPECT_THAT(data({"convert", zarr, "x", "--to", "lerobot"}).errors,
              AllOf(HasSubstr("the control rate of the data is unknown"),
                    HasSubstr("add data.control_hz=HZ")));
  EXPECT_FALSE(fs::exists(*place_ / "x"));
  const Result listed = data({});
  for (const char* name : {"info", "stats", "convert", "play"}) {
    EXPECT_THAT(listed.output, HasSubstr(std::string("  ") + name));
    const Result help = data({name, "--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.output, HasSubstr("example: roboimi data " + std::string(name)));
  }
}

TEST_F(DataCommand, CachesAreListedAndPruned) {
  const fs::path file = *place_ / "data/.roboimi_cache/frames-0123456789abcdef0123456789abcdef.bin";
  fs::create_directories(file.parent_path());
  std::ofstream(file) << std::string(20000, 'x');
  const Json listed = Json::parse(place_->run({"cache", "list", "data", "--json"}).output);
  ASSERT_EQ(listed.at("files").size(), 1U);
  EXPECT_EQ(listed.at("files")[0].at("kind"), "frames");
  EXPECT_GE(listed.at("bytes"), 20000);
  EXPECT_EQ(json_of({"info", "data"}).at("caches").size(), 1U);

  EXPECT_THAT(place_->run({"cache", "prune", "data", "--older-than", "1d"}).output,
              HasSubstr("0 files"));
  EXPECT_THAT(place_->run({"cache", "prune", "data", "--dry-run"}).output,
              HasSubstr("would be removed"));
  EXPECT_TRUE(fs::exists(file));
  EXPECT_THAT(place_->run({"cache", "prune", "data"}).output, HasSubstr("freed 2"));
  EXPECT_FALSE(fs::exists(file));
  EXPECT_THAT(place_->run({"cache", "prun"}).errors, HasSubstr("did you mean 'prune'?"));
}

}  // namespace
}  // namespace roboimi::e2e
