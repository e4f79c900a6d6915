// Tests of what `roboimi data info` reports as odd.
#include "app/data_findings.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/app/rows_dataset.h"

namespace roboimi::app {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::int64_t kRows = 60;

// A smooth motion: two states and two actions that differ in every row.
RowsDataset::Episode smooth_episode(std::int64_t length, double phase) {
  const at::Tensor t = at::arange(length, at::kFloat) * 0.1 + phase;
  const at::Tensor state = at::stack({t.sin(), t.cos() * 0.5}, 1);
  return {.rows = {{kState, state}}, .actions = state * 2};
}

ObservationSpec motion_spec() {
  return {.streams = {vector_stream(kState, 2, "rad", {"elbow", "wrist"})},
          .action_dim = 2,
          .control_hz = 10.0};
}

std::vector<RowsDataset::Episode> smooth_episodes() {
  std::vector<RowsDataset::Episode> episodes;
  for (int i = 0; i < 5; ++i) episodes.push_back(smooth_episode(kRows, 0.7 * i));
  return episodes;
}

std::vector<std::string> findings_in(std::vector<RowsDataset::Episode> episodes,
                                     const ObservationSpec& spec = motion_spec()) {
  std::vector<std::string> texts;
  for (const DataFinding& finding : find_oddities(RowsDataset(spec, std::move(episodes)))) {
    texts.push_back(finding.kind + "; " + finding.text);
  }
  return texts;
}

TEST(DataFindings, SmoothMotionIsNotOdd) { EXPECT_THAT(findings_in(smooth_episodes()), IsEmpty()); }

TEST(DataFindings, NameTheFirstValueThatIsNotFinite) {
  auto episodes = smooth_episodes();
  episodes[1].rows[kState][7][1] = std::nanf("");
  episodes[1].rows[kState][9][0] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(findings_in(std::move(episodes)),
              ElementsAre("not_finite; episode 1: state[1] (wrist) is nan in row 7 (2 such "
                          "values)"));
}

TEST(DataFindings, NameConstantDimensions) {
  auto episodes = smooth_episodes();
  for (auto& episode : episodes) episode.rows[kState].select(1, 0).fill_(0.25);
  EXPECT_THAT(findings_in(std::move(episodes)),
              ElementsAre("constant; all episodes: state[0] (elbow) is always 0.25"));
}

TEST(DataFindings, ADimensionThatDiffersBetweenEpisodesIsNotConstant) {
  auto episodes = smooth_episodes();
  for (std::size_t i = 0; i < episodes.size(); ++i) {
    episodes[i].rows[kState].select(1, 0).fill_(static_cast<double>(i));
  }
  EXPECT_THAT(findings_in(std::move(episodes)), IsEmpty());
}

TEST(DataFindings, NameTheLargestJumpOfAnEpisode) {
  auto episodes = smooth_episodes();
  episodes[3].actions[30][1] += 40.0;  // a jump there and one back
  const auto texts = findings_in(std::move(episodes));
  ASSERT_EQ(texts.size(), 1U);
  EXPECT_THAT(texts[0], StartsWith("jump; episode 3: action[1] (wrist) jumps by "));
  EXPECT_THAT(texts[0], ::testing::HasSubstr("times its median step (2 jumps in total)"));
}

TEST(DataFindings, AGripperThatOpensIsNoJump) {
  auto episodes = smooth_episodes();
  for (auto& episode : episodes) {
    episode.actions.select(1, 1).fill_(0.0);
    episode.actions.select(1, 1).slice(0, 20, 40).fill_(1.0);
  }
  EXPECT_THAT(findings_in(std::move(episodes)), IsEmpty());
}

TEST(DataFindings, ADimensionThatJumpsInManyEpisodesIsOneLine) {
  auto episodes = smooth_episodes();
  for (const int i : {0, 1, 2, 4}) {
    episodes[static_cast<std::size_t>(i)].rows[kState].select(1, 1).slice(0, 30).add_(5.0 + i);
  }
  EXPECT_THAT(
      findings_in(std::move(episodes)),
      ElementsAre(::testing::AllOf(StartsWith("jump; state[1] (wrist): 4 episodes jump, by up to "),
                                   ::testing::EndsWith(" (episode 4, row 29 to 30): 0-2, 4"))));
}

// A gripper that closes at once and vibrates: most of its steps are tiny.
at::Tensor gripper_of(std::int64_t closed_from) {
  const at::Tensor gripper = at::arange(kRows, at::kFloat).remainder(2) * 1e-5;
  gripper.slice(0, closed_from).add_(0.8);
  return gripper;
}

TEST(DataFindings, AGripperThatDwellsOpenOrClosedIsNoJump) {
  auto episodes = smooth_episodes();
  for (auto& episode : episodes) episode.rows[kState].select(1, 1).copy_(gripper_of(20));
  EXPECT_THAT(findings_in(episodes), IsEmpty());
  // A value far away in a few rows is no second level.
  for (auto& episode : episodes) episode.rows[kState].select(1, 1).copy_(gripper_of(kRows));
  episodes[2].rows[kState][30][1] = 0.8;
  EXPECT_THAT(findings_in(episodes),
              ElementsAre(StartsWith("jump; episode 2: state[1] (wrist) jumps by 0.8 ")));
}

TEST(DataFindings, AFastMotionOfAFewRowsIsNoJump) {
  auto episodes = smooth_episodes();
  // A gripper at rest, up to vibrations, that closes within four rows.
  const at::Tensor closing = at::tensor({0.03F, 0.16F, 0.32F, 0.36F});
  for (auto& episode : episodes) {
    const at::Tensor gripper = episode.rows[kState].select(1, 1);
    gripper.copy_(at::arange(kRows, at::kFloat).remainder(2) * 1e-5);
    gripper.slice(0, 20, 24).copy_(closing);
    gripper.slice(0, 24).add_(0.365);
  }
  EXPECT_THAT(findings_in(std::move(episodes)), IsEmpty());
}

TEST(DataFindings, NoiseOfAStillJointIsNoJump) {
  auto episodes = smooth_episodes();
  // Most steps are tiny; a motion of 30 rows is hundreds of times as fast, but takes 30 rows.
  for (auto& episode : episodes) {
    const at::Tensor joint = episode.rows[kState].select(1, 1);
    joint.copy_(at::arange(kRows, at::kFloat).remainder(2) * 1e-4);
    joint.slice(0, 10, 25).copy_(at::arange(15, at::kFloat) / 15);
    joint.slice(0, 25, 60).add_(1.0);
  }
  EXPECT_THAT(findings_in(std::move(episodes)), IsEmpty());
}

TEST(DataFindings, NameShortEpisodesAndStillActions) {
  auto episodes = smooth_episodes();
  episodes[2] = smooth_episode(14, 0.0);
  episodes[4].actions.copy_(episodes[4].actions[0].clone().expand({kRows, 2}));
  EXPECT_THAT(findings_in(std::move(episodes)),
              ElementsAre("short; episode 2: 14 rows; the median is 60",
                          "still; episode 4: the action never changes in 60 rows"));
}

TEST(DataFindings, GoOnAfterAnEpisodeThatCannotBeRead) {
  auto episodes = smooth_episodes();
  episodes[0].actions = at::Tensor();
  episodes[2].rows[kState][5][0] = std::nanf("");
  EXPECT_THAT(
      findings_in(std::move(episodes)),
      ElementsAre("unreadable; episode 0: action cannot be read: the table of actions is damaged",
                  "not_finite; episode 2: state[0] (elbow) is nan in row 5 (1 such values)"));
}

TEST(DataFindings, ReportAnUnknownRate) {
  ObservationSpec spec = motion_spec();
  spec.control_hz = 0.0;
  EXPECT_THAT(findings_in(smooth_episodes(), spec), Contains(StartsWith("rate; all episodes:")));
  EXPECT_THAT(findings_in(smooth_episodes()), Not(Contains(StartsWith("rate"))));
}

TEST(DataFindings, TheMedianOfAnEvenNumberIsTheMean) {
  EXPECT_EQ(median_of({4, 1, 3, 2}), 2.5);
  EXPECT_EQ(median_of({3, 1, 2}), 2.0);
  EXPECT_EQ(median_of({}), 0.0);
}

}  // namespace
}  // namespace roboimi::app
