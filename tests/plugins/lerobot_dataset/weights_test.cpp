// Folders with weights: their episodes as parts, the shares of the training windows, and errors.
#include <ATen/ATen.h>

#include "roboimi/config/schema.h"
#include "roboimi/data/window_sampler.h"
#include "tests/plugins/lerobot_dataset/set_test.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class WeightedFolders : public SetTest {
 protected:
  // Three episodes with 33 rows, and two with 9.
  WeightedFolders() {
    LerobotSet(folder()).write();
    LerobotSet(other(), "v2.1", "image", {4, 5}).write();
  }
  fs::path other() const { return scratch_.path() / "other"; }

  std::shared_ptr<Dataset> from_yaml(const std::string& more) const {
    const std::string yaml = "path: " + folder().string() + "\n" + more;
    return create_dataset(parse_options(parse_yaml(yaml, "run.yaml"), dataset_schema(), "data"));
  }
  std::string yaml_error(const std::string& more) const {
    return error_text([&] { from_yaml(more); });
  }
  std::string both() const { return "more_paths: [" + other().string() + "]\n"; }
};

TEST_F(WeightedFolders, AreTheParts) {
  const auto dataset = from_yaml(both() + "weights: [1, 3]\n");
  const std::vector<DatasetPart> parts = checked_parts(*dataset);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].name, folder().string());
  EXPECT_EQ(parts[0].weight, 1.0);
  EXPECT_THAT(parts[0].episodes, ElementsAre(0, 1, 2));
  EXPECT_EQ(parts[1].name, other().string());
  EXPECT_EQ(parts[1].weight, 3.0);
  EXPECT_THAT(parts[1].episodes, ElementsAre(3, 4));
  EXPECT_THAT(from_yaml(both())->parts(), IsEmpty());
  EXPECT_EQ(from_yaml("weights: [2]\n")->parts().size(), 1U);
}

TEST_F(WeightedFolders, GetTheirSharesOfTheWindowsWhateverTheirSizes) {
  const auto dataset = from_yaml(both() + "weights: [1, 3]\n");
  const WindowSampler sampler(dataset, {.horizons = {.obs = 1, .pred = 4, .num_action = 1},
                                        .batch_size = 16,
                                        .seed = 2,
                                        .parts = checked_parts(*dataset)});
  ASSERT_EQ(sampler.num_windows(), 42);
  for (std::int64_t step = 0; step < 50; ++step) {
    EXPECT_EQ(sampler.indices(step).lt(33).sum().item<std::int64_t>(), 4);
  }
}

TEST_F(WeightedFolders, NeedOneUsableWeightPerFolder) {
  EXPECT_THAT(yaml_error(both() + "weights: [1]\n"),
              HasSubstr("run.yaml:3:1: data.weights: not one weight per folder: expected as many "
                        "numbers as folders in data.path and data.more_paths: 2; found [1]; the "
                        "first weight is that of data.path"));
  EXPECT_THAT(yaml_error("weights: [1, 2]\n"), HasSubstr("data.more_paths: 1; found [1, 2]"));
  EXPECT_THAT(yaml_error(both() + "weights: [0, 0]\n"),
              HasSubstr("data.weights: all weights are 0: expected at least one weight above 0; "
                        "found [0, 0]; leave weights out to count every row the same"));
  EXPECT_THAT(yaml_error(both() + "weights: [1, -2]\n"),
              AllOf(HasSubstr("data.weights"), HasSubstr("a finite number of at least 0"),
                    HasSubstr("found '-2'")));
  EXPECT_THAT(yaml_error(both() + "weights: [1, .nan]\n"),
              AllOf(HasSubstr("data.weights"), HasSubstr("a finite number of at least 0")));
  EXPECT_THAT(yaml_error(both() + "weights: 2\n"), HasSubstr("write [2]"));
}

TEST_F(WeightedFolders, CannotBeLeftOutByMaxEpisodes) {
  EXPECT_THAT(yaml_error(both() + "weights: [1, 3]\nmax_episodes: 3\n"),
              HasSubstr(other().string() +
                        ": data.max_episodes leaves no episode of a folder that has a weight: "
                        "expected weight 0, or a larger data.max_episodes; found weight 3, "
                        "max_episodes 3"));
  const auto dataset = from_yaml(both() + "weights: [1, 0]\nmax_episodes: 3\n");
  EXPECT_THAT(checked_parts(*dataset)[1].episodes, IsEmpty());
  EXPECT_THAT(checked_parts(*from_yaml(both() + "weights: [1, 3]\nmax_episodes: 4\n"))[1].episodes,
              ElementsAre(3));
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
