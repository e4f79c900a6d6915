// The episode writer: what it writes is read back by LerobotDataset.
#include "plugins/lerobot_dataset/lerobot_episode_writer.h"

#include <ATen/ATen.h>

#include <set>
#include <vector>

#include "plugins/lerobot_dataset/task_table.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/log_route.h"
#include "roboimi/testing/conformance.h"
#include "tests/plugins/lerobot_dataset/writer_test.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kH264Error = 4.0;  // of 255, mean over the pixels of smooth frames at crf 30

TEST_F(LerobotWriter, WarnsOnceIfNoInstructionIsGiven) {
  std::string log;
  set_log_handler([&](LogLevel, std::string_view line) { (log += line) += '\n'; });
  const LerobotEpisodeWriter unnamed({});
  collect(unnamed, 0);
  collect(unnamed, 1);
  EXPECT_EQ(log,
            "lerobot_episode_writer: the episodes have no instruction and get the task 'do the "
            "task'; name it with writer.task=TEXT\n");
  log.clear();
  collect(LerobotEpisodeWriter({.task = "open the drawer"}), 2);
  EpisodeRecord instructed = make_record(3);
  instructed.streams.push_back(text_stream("task", 11));
  instructed.observations["task"] = text_tensor("do the task", 11).repeat({kLength, 1});
  collect(LerobotEpisodeWriter({}), 3, instructed);
  set_log_handler({});
  EXPECT_EQ(log, "");
}

TEST_F(LerobotWriter, ReadsBackWhatItWrote) {
  for (const FrameStorage frames :
       {FrameStorage::kH264, FrameStorage::kLossless, FrameStorage::kPng}) {
    fs::remove_all(folder());
    const LerobotEpisodeWriter writer({.frames = frames});
    for (std::int64_t number = 0; number < 3; ++number) collect(writer, number);
    expect_sound({0, 1, 2});
    const LerobotDataset dataset = open_set(folder(), {.streams = {"force"}});
    EXPECT_EQ(dataset.spec().at(kState).element_names,
              (std::vector<std::string>{"waist", "elbow", "grip"}));
    EXPECT_EQ(dataset.spec().control_hz, 50.0);
    for (std::int64_t number = 0; number < 3; ++number) {
      const EpisodeRecord record = make_record(number);
      EXPECT_TRUE(at::equal(dataset.env_state(number), record.observations.env_state()));
      EXPECT_TRUE(at::equal(dataset.read_all(number, "force"), record.observations.at("force")));
      EXPECT_TRUE(at::equal(dataset.labels(number).at("box"), record.labels.at("box")));
      EXPECT_EQ(text_of(dataset.read(number, "task", 3, 1)[0]), "do the task");
      EXPECT_EQ(dataset.episode(number).seed, record.seed);
      EXPECT_EQ(dataset.episode(number).success, true);
      for (const char* camera : {"front", "top"}) {
        const at::Tensor difference = dataset.read_all(number, camera).to(at::kFloat) -
                                      record.observations.at(camera).to(at::kFloat);
        const auto error = difference.abs().mean().item<double>();
        EXPECT_LE(error, frames == FrameStorage::kH264 ? kH264Error : 0.0) << camera;
      }
    }
  }
}

// A long episode whose images do not fit in memory.
TEST_F(LerobotWriter, ReadsImagesOnDemandInBlocks) {
  const EpisodeRecord complete = make_record(0, /*length=*/130);
  EpisodeRecord on_demand = complete;
  for (const char* camera : {"front", "top"}) on_demand.observations.erase(camera);
  std::int64_t most = 0, num_read = 0;
  on_demand.read_images = [&](const StreamSpec& stream, std::int64_t first, std::int64_t count) {
    most = std::max(most, count);
    num_read += count;
    return complete.observations.at(stream.name).slice(0, first, first + count);
  };
  for (const FrameStorage frames : {FrameStorage::kH264, FrameStorage::kPng}) {
    num_read = 0;
    const LerobotEpisodeWriter writer({.frames = frames});
    writer.write(folder() / "one", complete);
    writer.write(folder() / "two", on_demand);
    EXPECT_EQ(read_text(folder() / "one"), read_text(folder() / "two"));
    EXPECT_EQ(num_read, 2 * 130) << "each image is read once";
  }
  EXPECT_LE(most, 32);
}

TEST_F(LerobotWriter, AnEpisodeNeedsNoState) {
  EpisodeRecord record = make_record(0);
  std::erase_if(record.streams, [](const StreamSpec& stream) { return stream.name == kState; });
  record.observations["state"] = at::Tensor();
  collect(LerobotEpisodeWriter({.frames = FrameStorage::kPng}), 0, record);
  const LerobotDataset dataset = open_set(folder(), {.state = {"none"}});
  EXPECT_EQ(dataset.spec().find(kState), nullptr);
  EXPECT_TRUE(at::equal(dataset.actions(0), record.actions));
}

TEST_F(LerobotWriter, TheFullNameOfAFeatureIsKept) {
  EpisodeRecord record = make_record(0);
  record.streams.back().name = "observation.force";
  record.observations["observation.force"] = record.observations.at("force");
  collect(LerobotEpisodeWriter({.frames = FrameStorage::kPng}), 0, record);
  EXPECT_TRUE(json("info.json")["features"].contains("observation.force"));
}

TEST_F(LerobotWriter, WritesAv1) {
  EpisodeRecord record = make_record(0);
  for (const char* camera : {"front", "top"}) {
    record.observations[camera] = record.observations.at(camera).repeat_interleave(2, 1);
    record.streams[camera == std::string("front") ? 0 : 1].shape[0] = 2 * kHeight;
  }
  collect(LerobotEpisodeWriter({.frames = FrameStorage::kAv1}), 0, record);
  EXPECT_EQ(json("info.json")["features"]["observation.images.front"]["info"]["video.codec"],
            "av1");
  const LerobotDataset dataset = open_set(folder());
  EXPECT_EQ(LerobotSet::labels_of(dataset.read_all(0, "top")), LerobotSet::labels(1, 0, kLength));
}

TEST_F(LerobotWriter, DescribesFeaturesAsLeRobotDoes) {
  collect(LerobotEpisodeWriter({.robot_type = "aloha"}), 0);
  const Json info = json("info.json");
  EXPECT_EQ(info["codebase_version"], "v3.0");
  EXPECT_EQ(info["robot_type"], "aloha");
  EXPECT_EQ(info["fps"].dump(), "50");
  std::vector<std::string> names;
  for (const auto& [name, feature] : info["features"].items()) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("observation.state", "observation.environment_state",
                                 "observation.force", "action", "observation.images.front",
                                 "observation.images.top", "label.box", "timestamp", "frame_index",
                                 "episode_index", "index", "task_index"));
  const Json& front = info["features"]["observation.images.front"];
  EXPECT_EQ(front["shape"].dump(), "[32,96,3]");
  EXPECT_EQ(front["info"]["video.codec"], "h264");
  // A vector of length one is a plain column, a longer one a list.
  const parquet::Reader rows(rows_path(folder(), 0));
  EXPECT_EQ(rows.find("observation.force")->list_depth, 0);
  EXPECT_EQ(rows.find("action")->list_depth, 1);
  const parquet::Reader tasks(folder() / "meta/tasks.parquet");
  EXPECT_THAT(tasks.metadata().at("pandas"), HasSubstr(R"("index_columns":["task"])"));
}

// Of all rows together, as if the episodes were one table.
TEST_F(LerobotWriter, StatisticsAreThoseOfAllRows) {
  const LerobotEpisodeWriter writer({});
  std::vector<at::Tensor> states, pixels;
  for (const std::int64_t number : {0, 1, 2}) {
    collect(writer, number);
    states.push_back(LerobotSet::states(number, kLength));
    pixels.push_back(make_record(number).observations.at("top"));
  }
  const auto expect = [](const Json& found, const at::Tensor& expected) {
    ASSERT_EQ(std::ssize(found), expected.numel());
    for (std::int64_t i = 0; i < expected.numel(); ++i) {
      const Json* number = &found[static_cast<std::size_t>(i)];
      while (number->is_array()) number = &number->at(0);
      EXPECT_NEAR(number->get<double>(), expected[i].item<double>(), 1e-5);
    }
  };
  const at::Tensor table = at::cat(states).to(at::kDouble);
  const Json state = json("stats.json")["observation.state"];
  expect(state["mean"], table.mean(0));
  expect(state["std"], table.std(0, /*unbiased=*/false));
  expect(state["min"], table.amin(0));
  expect(state["max"], table.amax(0));
  EXPECT_EQ(state["count"][0], 3 * kLength);
  const at::Tensor channels = at::cat(pixels).to(at::kDouble).flatten(0, 2) / 255.0;
  const Json top = json("stats.json")["observation.images.top"];
  EXPECT_EQ(top["mean"][0].dump().substr(0, 2), "[[");
  expect(top["mean"], channels.mean(0));
  expect(top["std"], channels.std(0, /*unbiased=*/false));
  expect(top["q50"], channels.quantile(0.5, 0));
  // Of one episode, quantiles are exact.
  const parquet::Reader episode(table_path(folder(), 1));
  const FeatureStats stats = read_stats(episode, "observation.state");
  const at::Tensor q90 = at::quantile(states[1].to(at::kDouble), 0.9, 0);
  EXPECT_TRUE(at::allclose(at::tensor(stats.quantiles[3], at::kDouble), q90));
}

TEST_F(LerobotWriter, TextsOfTheStreamTaskBecomeTasks) {
  const LerobotEpisodeWriter writer({.task = "stand still"});
  const auto with_task = [](EpisodeRecord record, const std::vector<std::string>& texts) {
    std::vector<at::Tensor> rows;
    for (std::int64_t row = 0; row < kLength; ++row) {
      rows.push_back(text_tensor(texts[static_cast<std::size_t>(row) % texts.size()], 32));
    }
    record.streams.push_back(text_stream("task", 32));
    record.observations["task"] = at::stack(rows);
    return record;
  };
  collect(writer, 0, with_task(make_record(0), {"箱を持ち上げる"}));
  collect(writer, 1, with_task(make_record(1), {"hand it over", "", "箱を持ち上げる"}));
  const LerobotDataset dataset = open_set(folder());
  EXPECT_EQ(text_of(dataset.read(0, "task", 11, 1)[0]), "箱を持ち上げる");
  EXPECT_EQ(text_of(dataset.read(1, "task", 0, 1)[0]), "hand it over");
  EXPECT_EQ(text_of(dataset.read(1, "task", 1, 1)[0]), "stand still");
  EXPECT_EQ(text_of(dataset.read(1, "task", 2, 1)[0]), "箱を持ち上げる");
  EXPECT_EQ(json("info.json")["total_tasks"], 3);
  const auto tasks = read_task_table(read_info(folder()));
  EXPECT_EQ(tasks.texts.at(0), "箱を持ち上げる");
}

TEST(LerobotWriterOptions, LimitTheRateFactorToThatOfTheCodec) {
  const auto create = [](const std::string& yaml) {
    return create_writer(parse_options(parse_yaml(yaml, "test"), writer_schema(), "writer"));
  };
  EXPECT_NE(create("{codec: av1, crf: 60}"), nullptr);
  EXPECT_NE(create("{codec: h264, crf: 51}"), nullptr);
  EXPECT_THAT(error_text([&] { create("{codec: h264, crf: 52}"); }), HasSubstr("expected 0 to 51"));
}

TEST_F(LerobotWriter, KeepsSeedsOf64Bits) {
  EpisodeRecord record = make_record(0);
  record.seed = 0xFFFFFFFFFFFFFFFFULL;
  record.success = false;
  const LerobotEpisodeWriter writer({});
  collect(writer, 0, record);
  const EpisodeHeader header = writer.read_header(writer.file_of(folder(), 0));
  EXPECT_EQ(header.seed, record.seed);
  EXPECT_EQ(header.success, false);
}

TEST_F(LerobotWriter, StreamsThatCannotBeStoredAreNamed) {
  EpisodeRecord record = make_record(0);
  record.streams.push_back(depth_stream("front_depth", {4, 4}));
  record.observations["front_depth"] = at::ones({kLength, 4, 4});
  EXPECT_THAT(error_text([&] { collect(LerobotEpisodeWriter({}), 0, record); }),
              AllOf(HasSubstr("the depth stream 'front_depth' cannot be written"),
                    HasSubstr("writer.depth=skip")));
  collect(LerobotEpisodeWriter({.depth = DepthStreams::kSkip}), 0, record);
  expect_sound({0});

  EpisodeRecord odd = make_record(0);
  odd.streams[0].shape[1] = 95;
  odd.observations["front"] = odd.observations.at("front").slice(2, 0, 95);
  EXPECT_THAT(
      error_text([&] { collect(LerobotEpisodeWriter({}), 0, odd); }),
      AllOf(HasSubstr("camera 'front' cannot be written as an episode: expected even sides"),
            HasSubstr("writer.codec=png")));
  for (const char* name : {"front/left", "timestamp"}) {
    EpisodeRecord renamed = make_record(0);
    renamed.streams.push_back(text_stream(name, 4));
    renamed.observations[name] = at::stack(std::vector<at::Tensor>(kLength, text_tensor("a", 4)));
    EXPECT_THAT(error_text([&] { collect(LerobotEpisodeWriter({}), 0, renamed); }),
                HasSubstr(name));
  }
}

// With LerobotDataset as the reader.
class WriterSubject : public testing::EpisodeWriterSubject {
 public:
  explicit WriterSubject(FrameStorage frames = FrameStorage::kH264) : frames_(frames) {}
  std::shared_ptr<EpisodeWriter> make() const override {
    return std::make_shared<LerobotEpisodeWriter>(WriterOptions{.frames = frames_});
  }
  std::shared_ptr<Dataset> read_back(const fs::path& folder,
                                     const EpisodeRecord& record) const override {
    DatasetOptions options{.path = folder};
    const std::set<std::string> loaded = {kState, kVelocity, kEnvState};
    for (const StreamSpec& stream : record.streams) {
      if (stream.kind == StreamKind::kRgb || loaded.contains(stream.name)) continue;
      options.streams.push_back(stream.name);
    }
    return std::make_shared<LerobotDataset>(options);
  }

 private:
  FrameStorage frames_;
};
class PngWriterSubject : public WriterSubject {
 public:
  PngWriterSubject() : WriterSubject(FrameStorage::kPng) {}
};
ROBOIMI_EPISODE_WRITER_CONFORMANCE(WriterSubject);
ROBOIMI_EPISODE_WRITER_CONFORMANCE(PngWriterSubject);

}  // namespace
}  // namespace roboimi::lerobot_dataset
