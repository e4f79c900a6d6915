// Tests of the selection, merging and resizing of `roboimi data convert`, and of its folder.
#include "app/data_conversion.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "app/converted_folder.h"
#include "roboimi/common/files.h"
#include "tests/error_text.h"
#include "tests/unit/app/rows_dataset.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// Cameras front and top, a depth, a state and a text of `bytes`; episode i has 40 + i rows.
std::shared_ptr<RowsDataset> recorded(std::int64_t num_episodes, std::int64_t bytes,
                                      double control_hz = 10.0) {
  ObservationSpec spec{.streams = {rgb_stream("front", {4, 6}), rgb_stream("top", {4, 6}),
                                   depth_stream("near", {4, 6}, at::kUInt16, "mm"),
                                   vector_stream(kState, 2), text_stream("task", bytes)},
                       .action_dim = 3,
                       .control_hz = control_hz};
  std::vector<RowsDataset::Episode> episodes;
  for (std::int64_t i = 0; i < num_episodes; ++i) {
    const std::int64_t length = 40 + i;
    const at::Tensor depth = at::arange(length * 24, at::kShort).reshape({length, 4, 6});
    episodes.push_back(
        {.rows = {{"front", at::full({length, 4, 6, 3}, 10 * i + 1, at::kByte)},
                  {"top", at::full({length, 4, 6, 3}, 10 * i + 2, at::kByte)},
                  {"near", depth.view(at::kUInt16)},
                  {kState, at::full({length, 2}, 0.1 * static_cast<double>(i), at::kFloat)},
                  {"task", text_tensor("lift", bytes).expand({length, bytes}).contiguous()}},
         .actions = at::full({length, 3}, -0.1 * static_cast<double>(i), at::kFloat),
         .labels = {{"box", at::full({length, 3}, 7.0, at::kFloat)}},
         .seed = 100 + i,
         .success = true});
  }
  return std::make_shared<RowsDataset>(spec, std::move(episodes));
}

TEST(DataConversions, KeepEverythingOfChosenEpisodesOfAllDataSets) {
  // Three episodes and then two; texts of different lengths.
  const DataConversion conversion({recorded(3, 8), recorded(2, 12)}, {.episodes = {"1-3"}});
  EXPECT_EQ(conversion.num_episodes(), 3);
  const EpisodeRecord record = conversion.record(0);
  EXPECT_EQ(record.seed, 101U);
  EXPECT_EQ(record.success, true);
  EXPECT_EQ(record.control_hz, 10.0);
  const at::Tensor front = record.images(record.streams.at(0), 0, 41);
  EXPECT_EQ(front[40][3][5][2].item<int>(), 11);
  EXPECT_THAT(record.observations.at("task").sizes(), ElementsAre(41, 12));
  EXPECT_EQ(text_of(record.observations.at("task")[0]), "lift");
  EXPECT_EQ(record.labels.at("box")[0][0].item<double>(), 7.0);
  EXPECT_FLOAT_EQ(record.actions[0][0].item<float>(), -0.1F);
  // Episode 3 is the first of the second dataset.
  EXPECT_EQ(conversion.record(2).seed, 100U);
  EXPECT_EQ(conversion.record(2).actions.size(0), 40);
}

TEST(DataConversions, KeepUnknownSeedsAndOutcomesUnknown) {
  const ObservationSpec spec{
      .streams = {vector_stream(kState, 2)}, .action_dim = 1, .control_hz = 10.0};
  const auto data = std::make_shared<RowsDataset>(
      spec, std::vector<RowsDataset::Episode>{
                {.rows = {{kState, at::zeros({4, 2})}}, .actions = at::zeros({4, 1})}});
  const EpisodeRecord record = DataConversion({data}, {}).record(0);
  EXPECT_EQ(record.seed, std::nullopt);
  EXPECT_EQ(record.success, std::nullopt);
}

TEST(DataConversions, SelectOrderAndResizeCameras) {
  const DataConversion conversion({recorded(1, 8)},
                                  {.cameras = {"top", "near"}, .resize = ImageSize{2, 3}});
  EXPECT_THAT(conversion.spec().names(), ElementsAre("top", "near", "state", "task"));
  const EpisodeRecord record = conversion.record(0);
  const at::Tensor top = record.images(record.streams.at(0), 7, 3);
  EXPECT_THAT(top.sizes(), ElementsAre(3, 2, 3, 3));
  EXPECT_TRUE(top.eq(2).all().item<bool>());
  // The nearest pixel of each 2 x 2 block: rows 1 and 3, columns 1, 3 and 5.
  const at::Tensor depth = record.images(record.streams.at(1), 0, 40);
  EXPECT_EQ(depth.scalar_type(), at::kUInt16);
  const at::Tensor values = depth[0].view(at::kShort);
  EXPECT_EQ(values[0][0].item<int>(), 7);
  EXPECT_EQ(values[1][2].item<int>(), 23);
}

TEST(DataConversions, RefuseDataSetsThatDiffer) {
  EXPECT_THAT(error_text([] {
                DataConversion({recorded(1, 8), recorded(1, 8, 50.0)}, {});
              }),
              AllOf(HasSubstr("the datasets cannot be merged"), HasSubstr("expected 10 Hz"),
                    HasSubstr("found 50 Hz")));
  EXPECT_EQ(DataConversion({recorded(1, 8, 0.0), recorded(1, 8, 50.0)}, {}).spec().control_hz,
            50.0);
  ObservationSpec other = recorded(1, 8)->spec();
  other.set(rgb_stream("top", {8, 6}));
  auto larger = std::make_shared<RowsDataset>(
      other, std::vector<RowsDataset::Episode>{{.rows = {{kState, at::zeros({1, 2})}}}});
  EXPECT_THAT(
      error_text([&] {
        DataConversion({recorded(1, 8), larger}, {});
      }),
      AllOf(HasSubstr("expected rgb 'top' [4, 6, 3] Byte"), HasSubstr("found rgb 'top' [8")));
  // After resizing, both have the same sizes.
  EXPECT_EQ(DataConversion({recorded(1, 8), larger}, {.resize = ImageSize{2, 2}}).num_episodes(),
            2);
}

TEST(DataConversions, LeaveOutTextsThatOneDataSetDoesNotHave) {
  ObservationSpec untold = recorded(1, 8)->spec();
  untold.streams.pop_back();
  const auto other = std::make_shared<RowsDataset>(
      untold, std::vector<RowsDataset::Episode>{{.rows = {{kState, at::zeros({1, 2})}}}});
  for (const auto& datasets : {std::vector<std::shared_ptr<const Dataset>>{recorded(1, 8), other},
                               {other, recorded(1, 8)}}) {
    EXPECT_THAT(DataConversion(datasets, {}).spec().names(),
                ElementsAre("front", "top", "near", "state"));
  }
}

TEST(DataConversions, RefuseUnknownCamerasAndEpisodes) {
  EXPECT_THAT(error_text([] { DataConversion({recorded(1, 8)}, {.cameras = {"wrist"}}); }),
              AllOf(HasSubstr("there is no such camera"), HasSubstr("front, top, near"),
                    HasSubstr("'wrist'")));
  EXPECT_THAT(error_text([] {
                DataConversion({recorded(1, 8)}, {.cameras = {"top", "top"}});
              }),
              HasSubstr("a camera is named twice"));
  EXPECT_THAT(error_text([] { DataConversion({recorded(2, 8)}, {.episodes = {"0-1,7"}}); }),
              HasSubstr("there is no episode 7"));
}

TEST(DataConversions, StopReadingImagesWhenAsked) {
  const DataConversion conversion({recorded(1, 8)}, {});
  const EpisodeRecord record = conversion.record(0, [] { return true; });
  EXPECT_EQ(error_text([&] { record.images(record.streams.at(0), 0, 1); }), "interrupted");
}

// Writes the seed as text.
class SeedWriter : public EpisodeWriter {
 public:
  fs::path file_of(const fs::path& folder, std::int64_t index) const override {
    return folder / ("episode_" + std::to_string(index) + ".txt");
  }
  void write(const fs::path& file, const EpisodeRecord& record) const override {
    write_text_atomically(file, std::to_string(*record.seed));
  }
  EpisodeHeader read_header(const fs::path& file) const override {
    const std::string text = read_text(file);
    if (text.empty()) throw Error({.what = "the file is empty", .where = file.string()});
    return {.seed = std::stoull(text)};
  }
};

TEST(ConvertedFolders, KeepCompleteEpisodesAndReplaceDamagedOnes) {
  const ScratchFolder scratch;
  const fs::path output = scratch / "out";
  const auto writer = std::make_shared<SeedWriter>();
  {
    const ConvertedFolder folder(output, writer, "format: 1\n");
    EXPECT_FALSE(folder.has(0));
    for (std::int64_t i = 0; i < 2; ++i) folder.add({.seed = 5 + static_cast<unsigned>(i)}, i);
    folder.finish();
  }
  EXPECT_FALSE(fs::exists(output / ".staged"));
  std::ofstream(output / "episode_1.txt", std::ios::trunc) << "";
  const ConvertedFolder folder(output, writer, "format: 1\n");
  EXPECT_TRUE(folder.has(0));
  EXPECT_FALSE(folder.has(1));
  folder.add({.seed = 9}, 1);
  EXPECT_TRUE(folder.has(1));
  EXPECT_EQ(read_text(output / "episode_1.txt"), "9");
}

TEST(ConvertedFolders, RefuseOtherSettingsOtherFilesAndASecondProcess) {
  const ScratchFolder scratch;
  const fs::path output = scratch / "out";
  const auto writer = std::make_shared<SeedWriter>();
  const auto open = [&](const std::string& settings) {
    return error_or_accepted([&] { const ConvertedFolder folder(output, writer, settings); });
  };
  EXPECT_EQ(open("resize: 2x2\ncameras: a\n"), "accepted");
  std::ofstream(output / "episode_0.txt") << "5";
  EXPECT_EQ(open("resize: 2x2\ncameras: a\n"), "accepted");
  EXPECT_THAT(open("resize: 2x2\ncameras: b\n"),
              AllOf(HasSubstr("converted with other settings"), HasSubstr("'cameras: a'"),
                    HasSubstr("found 'cameras: b'")));
  {
    const ConvertedFolder folder(output, writer, "resize: 2x2\ncameras: a\n");
    EXPECT_THAT(open("resize: 2x2\ncameras: a\n"),
                HasSubstr("another process is using this conversion"));
  }
  fs::create_directories(scratch / "used");
  std::ofstream(scratch / "used" / "notes.txt") << "mine";
  EXPECT_THAT(error_text([&] { const ConvertedFolder folder(scratch / "used", writer, ""); }),
              HasSubstr("the folder is in use"));
  EXPECT_FALSE(fs::exists(scratch / "used" / "conversion.txt"));
}

TEST(ConvertedFolders, TakeTheSamePathWrittenInAnotherWay) {
  const ScratchFolder scratch;
  const fs::path output = scratch / "out";
  const auto writer = std::make_shared<SeedWriter>();
  const auto open = [&](const std::string& path) {
    return error_or_accepted(
        [&] { const ConvertedFolder folder(output, writer, "path: " + path + "\n"); });
  };
  EXPECT_EQ(open("/tmp/m/../lab/"), "accepted");
  std::ofstream(output / "episode_0.txt") << "5";
  EXPECT_EQ(open("/tmp/lab"), "accepted");
  EXPECT_EQ(open("/tmp/./lab"), "accepted");
  EXPECT_THAT(open("/tmp/other"), HasSubstr("'path: /tmp/lab'"));
}

TEST(ConvertedFolders, TakeOtherSettingsIfTheyHaveNoEpisode) {
  const ScratchFolder scratch;
  const fs::path output = scratch / "out";
  const auto writer = std::make_shared<SeedWriter>();
  {
    // The first episode cannot be read, so nothing is written.
    const ConvertedFolder folder(output, writer, "data 1\n");
    fs::create_directories(output / ".staged");
  }
  const ConvertedFolder folder(output, writer, "data 2\n");
  EXPECT_EQ(read_text(output / "conversion.txt"), "data 2\n");
}

}  // namespace
}  // namespace roboimi::app
