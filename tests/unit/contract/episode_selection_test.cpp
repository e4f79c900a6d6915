#include "roboimi/contract/episode_selection.h"

#include <gmock/gmock.h>

#include "roboimi/common/log_route.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(EpisodeSelection, SelectsEveryEpisodeByDefault) {
  const EpisodeSelection selection;
  EXPECT_TRUE(selection.selects_all());
  EXPECT_TRUE(selection.contains(7));
  EXPECT_THAT(selection.positions_in({3, 1}, "data"), ElementsAre(0, 1));
}

TEST(EpisodeSelection, TakesNumbersAndRangesByOriginalNumber) {
  for (const EpisodeSelection& selection :
       {EpisodeSelection({"0-9", "12"}), EpisodeSelection({"0-9,12"}),
        EpisodeSelection({"12", " 0 - 9 "})}) {
    EXPECT_FALSE(selection.selects_all());
    EXPECT_FALSE(selection.contains(10));
    EXPECT_THAT(selection.positions_in({0, 1, 3, 10, 12}, "data"), ElementsAre(0, 1, 2, 4));
  }
}

TEST(EpisodeSelection, NamesAnEpisodeThatDoesNotExist) {
  const auto error_of = [](const std::string& item) {
    return error_text([&] { EpisodeSelection({item}).positions_in({0, 2, 3, 4, 9}, "my_data"); });
  };
  EXPECT_EQ(
      error_of("1"),
      "my_data: there is no episode 1: expected one of 0, 2-4, 9; select episodes that exist");
  EXPECT_THAT(error_of("5-8"), HasSubstr("there is no episode 5-8"));
}

TEST(EpisodeSelection, LogsHowManyEpisodesOfARangeExist) {
  std::string log;
  set_log_handler([&](LogLevel, std::string_view line) { (log += line) += '\n'; });
  EpisodeSelection({"0-1", "2-99", "2-9223372036854775807"}).positions_in({0, 1, 2, 3}, "my_data");
  set_log_handler({});
  EXPECT_EQ(log,
            "my_data: of the episodes 2-99, 2 of 98 exist\n"
            "my_data: of the episodes 2-9223372036854775807, 2 of 9223372036854775806 exist\n");
}

TEST(EpisodeSelection, RefusesWhatIsNoNumberOrRange) {
  for (const char* text :
       {"", "x", "3-", "-3", "9-0", "1,,2", "1,", "1.5", "99999999999999999999"}) {
    EXPECT_THAT(error_text([&] { EpisodeSelection({text}); }),
                HasSubstr("expected numbers and ascending ranges, such as [0-9, 12]"))
        << text;
  }
}

TEST(EpisodeSelection, ListsNumbersAsRanges) {
  EXPECT_EQ(listed_numbers({}), "");
  EXPECT_EQ(listed_numbers({14, 0, 1, 2, 9, 13, 12}), "0-2, 9, 12-14");
  EXPECT_EQ(listed_numbers({0, 2, 4, 6, 8, 10, 12, 14, 16, 18}), "0, 2, 4, 6, 8, 10, 12, 14, ...");
}

}  // namespace
}  // namespace roboimi
