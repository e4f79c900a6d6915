#include "suite/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "suite/records.h"
#include "suite/report_data.h"
#include "suite/statistics.h"
#include "tests/error_text.h"
#include "tests/unit/suite/suite_folder.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

// 2 * (1 + 10) / 2^10, 2 / 2^5.
TEST(McNemar, IsTheExactTwoSidedTest) {
  EXPECT_NEAR(mcnemar_p(1, 9), 0.021484375, 1e-12);
  EXPECT_NEAR(mcnemar_p(9, 1), 0.021484375, 1e-12);
  EXPECT_NEAR(mcnemar_p(0, 5), 0.0625, 1e-12);
  EXPECT_EQ(mcnemar_p(3, 3), 1.0);
  EXPECT_EQ(mcnemar_p(0, 0), 1.0);
  // 2000! overflows a double.
  EXPECT_LT(mcnemar_p(100, 1900), 1e-300);
}

// 7/3 -+ 4.30265 * 1.52753 / sqrt(3).
TEST(MeanInterval, UsesStudentsT) {
  const MeanInterval interval = mean_interval({1.0, 2.0, 4.0});
  EXPECT_NEAR(interval.mean, 7.0 / 3, 1e-12);
  EXPECT_NEAR(interval.low, -1.46125, 1e-3);
  EXPECT_NEAR(interval.high, 6.12792, 1e-3);
  EXPECT_EQ(mean_interval({3.0}).low, 3.0);
  EXPECT_EQ(mean_interval({3.0}).high, 3.0);
}

// Two runs of two seeds each, with the records and run folders that a report reads.
class ReportTest : public ::testing::Test {
 protected:
  ReportTest() {
    Json runs = Json::array();
    std::vector<RunStatus> rows;
    for (const std::string group : {"a", "b"}) {
      for (int seed = 0; seed < 2; ++seed) {
        const std::string name = group + "_seed" + std::to_string(seed);
        runs.push_back({{"name", name},
                        {"group", group},
                        {"target", "here"},
                        {"seed", seed},
                        {"config", {{"width", group == "a" ? 16 : 32}}}});
        rows.push_back({.name = name, .target = "here", .state = RunState::kFinished});
        write_run(name, group == "a");
      }
    }
    rows[0].text = "<script>alert('&')</script>";
    change_manifest(folder_ / "s", [&](Json& manifest) {
      manifest = {{"suite", "<b>s</b>"}, {"runs", runs}};
    });
    update_records(folder_ / "s", "here", rows);
  }

  void write_run(const std::string& name, bool succeeds) const {
    const std::string run = "s/work/here/jobs/" + name + "/runs/20260101_000000_" + name + "/";
    folder_.write(run + "metrics.jsonl",
                  "{\"step\": 10, \"train/loss\": 0.5, \"train/steps_per_second\": 20}\n"
                  "{\"step\": 20, \"train/loss\": 0.25, \"train/steps_per_second\": 20}\n{\"st");
    Json episodes = Json::array();
    for (int seed = 500; seed < 503; ++seed) {
      episodes.push_back(
          {{"seed", seed}, {"success", succeeds}, {"stage_name", succeeds ? "held" : "nothing"}});
    }
    const Json summary = {{"episodes", episodes},
                          {"mean_highest_reward", 2.5},
                          {"timings", {{"inference_ms", 1.25}}}};
    folder_.write(run + "rollouts/step_00000020/summary.json", summary.dump());
    folder_.write(run + "rollouts/step_00000020/trajectory_000.png", "png bytes");
    folder_.write(run + "rollouts/step_00000020/episode_000.mp4", std::string(5 << 20, 'x'));
  }

  SuiteFolder folder_;
};

TEST_F(ReportTest, ComparesGroupsOverTheirSeeds) {
  const std::string page = suite_report(folder_ / "s");
  EXPECT_THAT(page, HasSubstr("<td>a</td><td><svg class='interval'"));
  EXPECT_THAT(page, HasSubstr("<td>6/6 = 100.0 %</td><td>61.0 to 100.0 %</td>"));
  EXPECT_THAT(page, HasSubstr("<td>0/6 = 0.0 %</td><td>0.0 to 39.0 %</td>"));
  EXPECT_THAT(page, HasSubstr("<td>a</td><td>b</td><td>6</td><td>6</td><td>0</td><td>0.031</td>"));
  EXPECT_THAT(page, HasSubstr("Training loss (log scale)"));
  EXPECT_THAT(page, HasSubstr("<td>16</td><td>16</td><td class='differs'>32</td>"));
  EXPECT_THAT(page, HasSubstr("<td>1.25</td>"));
}

// The circle and whiskers of a group, in the coordinates of its drawing: 10 is 0 %, 110 is 100 %.
TEST_F(ReportTest, DrawsSuccessRatesAsDotsWithWhiskers) {
  const std::string page = suite_report(folder_ / "s");
  EXPECT_THAT(page, HasSubstr("<line class='whisker' x1='71.0' x2='110.0' y1='10' y2='10'/>"
                              "<line class='cap' x1='71.0' x2='71.0' y1='7' y2='13'/>"
                              "<line class='cap' x1='110.0' x2='110.0' y1='7' y2='13'/>"
                              "<circle class='rate' cx='110.0' cy='10' r='3'/>"));
  EXPECT_THAT(page, HasSubstr("<line class='whisker' x1='10.0' x2='49.0' y1='10' y2='10'/>"
                              "<line class='cap' x1='10.0' x2='10.0' y1='7' y2='13'/>"
                              "<line class='cap' x1='49.0' x2='49.0' y1='7' y2='13'/>"
                              "<circle class='rate' cx='10.0' cy='10' r='3'/>"));
}

TEST_F(ReportTest, LeavesOutEmptyColumns) {
  const std::string page = suite_report(folder_ / "s");
  EXPECT_THAT(page, HasSubstr("<tr><th>run</th><th>state</th><th>where</th><th>note</th></tr>"));
  EXPECT_THAT(page, Not(HasSubstr("<th>last update</th>")));
}

TEST_F(ReportTest, NamesTheOutcomeOfEachRollout) {
  const std::string page = suite_report(folder_ / "s");
  EXPECT_THAT(page,
              HasSubstr("<figcaption>a_seed0, seed 500: success, reached: held</figcaption>"));
  EXPECT_THAT(page,
              HasSubstr("<figcaption>b_seed1, seed 500: failed, reached: nothing</figcaption>"));
}

TEST_F(ReportTest, StartsAxesOfPositiveValuesAtZero) {
  const std::string run = "s/work/here/jobs/a_seed0/runs/20260101_000000_a_seed0/";
  folder_.write(run + "metrics.jsonl", "{\"step\": 10, \"rollout/mean_highest_reward\": 0}\n");
  const std::string page = suite_report(folder_ / "s");
  const std::string chart = page.substr(page.find("Highest reward</figcaption>"));
  EXPECT_THAT(chart.substr(0, chart.find("</svg>")), HasSubstr(">0</text>"));
  EXPECT_THAT(chart.substr(0, chart.find("</svg>")), Not(HasSubstr(">-")));
}

TEST_F(ReportTest, DrawsNoAxisBelowZeroIfOnlyAnIntervalReachesBelowIt) {
  for (const std::string name : {"a_seed0", "a_seed1"}) {
    const std::string reward = name == "a_seed0" ? "1" : "9";
    folder_.write("s/work/here/jobs/" + name + "/runs/20260101_000000_" + name + "/metrics.jsonl",
                  "{\"step\": 10, \"rollout/mean_highest_reward\": " + reward + "}\n");
  }
  const std::string page = suite_report(folder_ / "s");
  const std::string chart = page.substr(page.find("Highest reward</figcaption>"));
  EXPECT_THAT(chart.substr(0, chart.find("</svg>")), HasSubstr(">0</text>"));
  EXPECT_THAT(chart.substr(0, chart.find("</svg>")), Not(HasSubstr(">-")));
}

// The sentence at the top of the page.
class ReportConclusion : public ReportTest {
 protected:
  std::string conclusion() const {
    const std::string page = suite_report(folder_ / "s");
    const std::string start = "<p class='conclusion'>";
    const std::size_t begin = page.find(start) + start.size();
    return page.substr(begin, page.find("</p>", begin) - begin);
  }
  void write_episodes(const std::string& group, int episodes, int successes, int first = 500) {
    for (int seed = 0; seed < 2; ++seed) {
      const std::string name = group + "_seed" + std::to_string(seed);
      Json list = Json::array();
      for (int i = 0; i < episodes; ++i) {
        list.push_back({{"seed", first + i}, {"success", i < successes}});
      }
      folder_.write("s/work/here/jobs/" + name + "/runs/20260101_000000_" + name +
                        "/rollouts/step_00000020/summary.json",
                    Json({{"episodes", list}}).dump());
    }
  }
};

TEST_F(ReportConclusion, StatesASignificantDifference) {
  EXPECT_EQ(conclusion(),
            "a (6/6) solved significantly more episodes than b (0/6) (McNemar p = 0.031).");
}

TEST_F(ReportConclusion, SaysWhenThereAreTooFewEpisodes) {
  write_episodes("b", 3, 2);
  EXPECT_EQ(conclusion(),
            "Too few episodes to tell whether a (6/6) is better than b (4/6) (McNemar p = 0.5).");
}

TEST_F(ReportConclusion, StatesThatThereIsNoSignificantDifference) {
  write_episodes("a", 200, 100);
  write_episodes("b", 200, 99);
  EXPECT_EQ(conclusion(),
            "No significant difference between a (200/400) and b (198/400) (McNemar p = 0.5).");
}

TEST_F(ReportConclusion, ComparesOnlyTheSameEpisodes) {
  write_episodes("b", 3, 0, 900);
  EXPECT_EQ(conclusion(),
            "a (6/6) and b (0/6) were evaluated on different episodes and cannot be compared.");
}

TEST_F(ReportConclusion, OfOneGroupIsItsInterval) {
  std::filesystem::remove_all(folder_ / "s/work/here/jobs/b_seed0");
  std::filesystem::remove_all(folder_ / "s/work/here/jobs/b_seed1");
  EXPECT_EQ(conclusion(), "a solved 6 of 6 episodes (95 % interval 61.0 to 100.0 %).");
  std::filesystem::remove_all(folder_ / "s/work/here/jobs");
  EXPECT_EQ(conclusion(), "No rollouts to compare yet.");
}

// Writes evaluations of the first run of a. All their episodes fail.
class ReportOfEvaluations : public ReportTest {
 protected:
  void evaluate(const std::string& name, int episodes, Json subject,
                const std::string& written) const {
    Json list = Json::array();
    for (int seed = 1000; seed < 1000 + episodes; ++seed) {
      list.push_back({{"seed", seed}, {"success", false}});
    }
    Json summary = {{"subject", subject}, {"episodes", list}};
    if (!written.empty()) summary["written"] = written;
    folder_.write(kRun + "evaluations/" + name + "/summary.json", summary.dump());
  }
  std::string evaluation() const { return read_runs(folder_ / "s").at(0).evaluation; }

  const std::string kRun = "s/work/here/jobs/a_seed0/runs/20260101_000000_a_seed0/";
  const Json kPlain = {
      {"control", "none"}, {"overrides", ""}, {"weights", "averaged, where it has them"}};
};

TEST_F(ReportOfEvaluations, UsesTheNewestByTimeNotByName) {
  evaluate("step_00000020_seed_1000_episodes_20", 20, kPlain, "2026-01-01T00:00:00Z");
  evaluate("step_00000020_seed_1000_episodes_100", 100, kPlain, "2026-01-02T00:00:00Z");
  EXPECT_EQ(evaluation(), "evaluations/step_00000020_seed_1000_episodes_100");
  evaluate("step_00000020_seed_500_episodes_5", 5, kPlain, "2026-01-01T12:00:00Z");
  EXPECT_EQ(evaluation(), "evaluations/step_00000020_seed_1000_episodes_100");
  EXPECT_THAT(suite_report(folder_ / "s"),
              HasSubstr("evaluations/step_00000020_seed_1000_episodes_100: 100 episodes from seed "
                        "1000, 2026-01-02T00:00:00Z"));
}

TEST_F(ReportOfEvaluations, IgnoresModifiedEvaluations) {
  evaluate("step_00000020_seed_1000_episodes_20", 20, kPlain, "2026-01-01T00:00:00Z");
  Json changed = kPlain;
  changed["overrides"] = "agent.latency_steps=1";
  evaluate("step_00000020_seed_1000_episodes_20_agent.latency_steps=1", 20, changed,
           "2026-01-02T00:00:00Z");
  changed = kPlain;
  changed["weights"] = "last";
  evaluate("step_00000020_seed_1000_episodes_20_no_ema", 20, changed, "2026-01-02T00:00:00Z");
  changed = kPlain;
  changed["control"] = "black_images";
  evaluate("step_00000020_seed_1000_episodes_20_zzz", 20, changed, "2026-01-02T00:00:00Z");
  EXPECT_EQ(evaluation(), "evaluations/step_00000020_seed_1000_episodes_20");
  // Without a plain evaluation, the rollouts of the training count.
  std::filesystem::remove_all(folder_ / kRun / "evaluations/step_00000020_seed_1000_episodes_20");
  EXPECT_EQ(evaluation(), "rollouts/step_00000020");
}

TEST_F(ReportOfEvaluations, UsesTheModificationTimeIfTheFileStatesNone) {
  evaluate("a_newer", 20, kPlain, "");
  evaluate("b_older", 20, kPlain, "2020-01-01T00:00:00Z");
  EXPECT_EQ(evaluation(), "evaluations/a_newer");
}

TEST_F(ReportOfEvaluations, UsesTheOneWithMoreEpisodesAtTheSameTime) {
  evaluate("a", 100, kPlain, "2026-01-01T00:00:00Z");
  evaluate("b", 20, kPlain, "2026-01-01T00:00:00Z");
  EXPECT_EQ(evaluation(), "evaluations/a");
}

TEST_F(ReportOfEvaluations, IgnoresADamagedSummary) {
  evaluate("a", 20, kPlain, "2026-01-01T00:00:00Z");
  folder_.write(kRun + "evaluations/b/summary.json", "{\"episodes\": [");
  EXPECT_EQ(evaluation(), "evaluations/a");
}

TEST_F(ReportTest, IsSelfContainedWithoutScripts) {
  const std::string page = suite_report(folder_ / "s");
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"));
  EXPECT_THAT(page, HasSubstr("<h1>&lt;b&gt;s&lt;/b&gt;</h1>"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_FALSE(std::regex_search(page, std::regex("(src|href)='(?!data:)")));
  EXPECT_THAT(page, Not(HasSubstr("http")));
  EXPECT_THAT(page, HasSubstr("src='data:image/png;base64,cG5nIGJ5dGVz'"));
  // A file that is too large is only named.
  EXPECT_THAT(page, HasSubstr("5.0 MB, not embedded: <code>"));
  EXPECT_LT(page.size(), 1u << 20);
}

TEST_F(ReportTest, IgnoresValuesThatAreNotNumbers) {
  const std::string run = "s/work/here/jobs/a_seed0/runs/20260101_000000_a_seed0/";
  folder_.write(run + "rollouts/step_00000030/summary.json",
                R"({"episodes": [], "mean_highest_reward": null,
                    "timings": {"inference_ms": null}, "plans": {"mean_ms": null}})");
  EXPECT_THAT(suite_report(folder_ / "s"), HasSubstr("<h2>Times</h2>"));
  folder_.write(run + "rollouts/step_00000030/summary.json", R"({"episodes": [{"seed": 1}]})");
  EXPECT_THAT(error_text([&] { suite_report(folder_ / "s"); }),
              HasSubstr("step_00000030/summary.json: invalid summary of rollouts"));
}

// The step of the grid would be lost in the rounding of values of this size.
TEST_F(ReportTest, DrawsValuesThatAlmostAgree) {
  const std::string run = "s/work/here/jobs/a_seed0/runs/20260101_000000_a_seed0/";
  folder_.write(run + "metrics.jsonl",
                "{\"step\": 1, \"rollout/mean_highest_reward\": 1e9}\n"
                "{\"step\": 2, \"rollout/mean_highest_reward\": 1000000000.0000002}\n");
  EXPECT_THAT(suite_report(folder_ / "s"), HasSubstr("Highest reward"));
}

TEST_F(ReportTest, LeavesOutMissingResults) {
  std::filesystem::remove_all(folder_ / "s/work/here/jobs");
  const std::string page = suite_report(folder_ / "s");
  EXPECT_THAT(page, HasSubstr("<h2>Runs</h2>"));
  EXPECT_THAT(page, Not(HasSubstr("<h2>Success</h2>")));
  EXPECT_THAT(error_text([&] { suite_report(folder_ / "other"); }),
              HasSubstr("nothing was launched"));
}

}  // namespace
}  // namespace roboimi
