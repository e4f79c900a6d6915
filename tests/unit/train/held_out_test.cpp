#include "roboimi/train/held_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

HeldOut read(const std::string& yaml) { return held_out_of(parse_yaml("train: " + yaml, "test")); }

TEST(HeldOutEpisodes, AreTheLastOfTheDataset) {
  EXPECT_THAT(HeldOut{}.of(4), IsEmpty());
  EXPECT_THAT((HeldOut{.episodes = 2}.of(5)), ElementsAre(3, 4));
  EXPECT_THAT(error_text([] { HeldOut{.episodes = 5}.of(5); }),
              HasSubstr("expected fewer than the dataset's 5 episodes; found 5"));
}

TEST(HeldOutEpisodes, OfAFractionAreSpreadOverTheDataset) {
  EXPECT_THAT((HeldOut{.fraction = 0.05}.of(40)), ElementsAre(10, 30));
  EXPECT_THAT((HeldOut{.fraction = 0.05}.of(3)), ElementsAre(1));
  EXPECT_THAT((HeldOut{.fraction = 0.5}.of(4)), ElementsAre(1, 3));
  EXPECT_THAT((HeldOut{.fraction = 0.9}.of(2)), ElementsAre(1));
  // One episode is needed for training.
  EXPECT_THAT((HeldOut{.fraction = 0.5}.of(1)), IsEmpty());
}

TEST(HeldOutEpisodes, AreReadFromAnExperiment) {
  EXPECT_EQ(read("{held_out_episodes: 3, max_steps: 7}").episodes, 3);
  EXPECT_EQ(read("{held_out_fraction: 0.25}").fraction, 0.25);
  EXPECT_EQ(held_out_of(parse_yaml("name: plain", "test")).episodes, 0);
  EXPECT_THAT(error_text([] { read("{held_out_fraction: 0.1, held_out_episodes: 2}"); }),
              HasSubstr("only one of the two"));
}

}  // namespace
}  // namespace roboimi
