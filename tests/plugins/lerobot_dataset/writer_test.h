// Records and a folder for the tests of the episode writer.
#pragma once

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <vector>

#include "plugins/lerobot_dataset/episode_placement.h"
#include "plugins/lerobot_dataset/json_file.h"
#include "plugins/lerobot_dataset/lerobot_episode_writer.h"
#include "roboimi/common/random.h"
#include "tests/plugins/lerobot_dataset/set_test.h"

namespace roboimi::lerobot_dataset {

inline constexpr std::int64_t kLength = 12, kHeight = 32, kWidth = 96;

// Episode `number`, with frames of LerobotSet.
inline EpisodeRecord make_record(std::int64_t number, std::int64_t length = kLength) {
  at::Generator generator = make_generator(static_cast<std::uint64_t>(number));
  EpisodeRecord record;
  record.streams = {rgb_stream("front", {kHeight, kWidth}), rgb_stream("top", {kHeight, kWidth}),
                    vector_stream(kState, 3, "rad", {"waist", "elbow", "grip"}),
                    vector_stream(kEnvState, 2), vector_stream("force", 1)};
  for (const std::int64_t camera : {0, 1}) {
    std::vector<at::Tensor> frames;
    for (const std::int64_t label : LerobotSet::labels(camera, number, length)) {
      frames.push_back(LerobotSet::picture(label));
    }
    record.observations[camera == 0 ? "front" : "top"] = at::stack(frames);
  }
  record.observations[kState] = LerobotSet::states(number, length);
  record.observations[kEnvState] = at::rand({length, 2}, generator);
  record.observations["force"] = at::rand({length, 1}, generator);
  record.actions = LerobotSet::actions(number, length);
  record.labels = {{"box", at::rand({length, 3}, generator)}};
  record.control_hz = 50.0;
  record.seed = 100 + static_cast<std::uint64_t>(number);
  record.success = true;
  return record;
}

class LerobotWriter : public SetTest {
 protected:
  std::filesystem::path staged(std::int64_t number) const {
    return folder() / ".staged" / table_path("", number).filename();
  }
  void collect(const LerobotEpisodeWriter& writer, std::int64_t number,
               const EpisodeRecord& record) const {
    writer.write(staged(number), record);
    writer.place(staged(number), folder(), number);
  }
  void collect(const LerobotEpisodeWriter& writer, std::int64_t number) const {
    collect(writer, number, make_record(number));
  }
  Json json(const char* name) const { return read_json(folder() / "meta" / name); }

  // Everything that a reader of the folder checks, without a warning.
  void expect_sound(const std::vector<std::int64_t>& numbers) const {
    const LerobotDataset dataset = open_set(folder());
    EXPECT_THAT(dataset.findings().warnings(), ::testing::IsEmpty());
    expect_complete(dataset, numbers);
    const auto count = std::ssize(numbers);
    EXPECT_EQ(json("info.json")["total_episodes"], count);
    EXPECT_EQ(json("info.json")["total_frames"], count * kLength);
    EXPECT_EQ(json("info.json")["splits"]["train"], fmt::format("0:{}", count));
    EXPECT_EQ(json("stats.json")["action"]["count"][0], count * kLength);
  }
};

}  // namespace roboimi::lerobot_dataset
