#include "suite/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "roboimi/train/run_folder.h"
#include "suite/run_progress.h"
#include "tests/error_text.h"
#include "tests/unit/suite/suite_folder.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

TEST(RunStatus, SurvivesJson) {
  RunStatus status{.name = "a", .target = "t", .state = RunState::kLost, .text = "why"};
  status.process = {.pid = 7, .start_ticks = 8, .boot_id = "b"};
  status.step = 12;
  status.loss = 0.5;
  const RunStatus back = run_status_from(Json::parse(to_json(status).dump()));
  EXPECT_EQ(back.state, RunState::kLost);
  EXPECT_EQ(back.process, status.process);
  EXPECT_EQ(back.step, 12);
  EXPECT_EQ(back.loss, 0.5);
  EXPECT_EQ(back.success_rate, std::nullopt);
  EXPECT_THAT(error_text([] {
                run_status_from(Json{{"name", "a"}});
              }),
              HasSubstr("invalid status of a run"));
}

TEST(RunStatus, RecordsAStopRequestSeparatelyFromItsText) {
  RunStatus status{.name = "a", .target = "t", .state = RunState::kRunning, .text = "reworded"};
  status.asked_to_stop = true;
  EXPECT_TRUE(run_status_from(to_json(status)).asked_to_stop);
  status.asked_to_stop = false;
  status.text = "asked to stop: words for people";
  EXPECT_FALSE(run_status_from(to_json(status)).asked_to_stop);
  // Written by an earlier version.
  Json former = to_json(status);
  former.erase("asked_to_stop");
  EXPECT_TRUE(run_status_from(former).asked_to_stop);
}

TEST(RunStatus, ReadsTheTimeOfTheLastUpdateUnderItsFormerName) {
  const RunStatus status{.name = "a", .target = "t", .last_update = "2026-01-31T12:00:00Z"};
  Json json = to_json(status);
  EXPECT_EQ(json.at("last_update"), "2026-01-31T12:00:00Z");
  json["heard"] = json["last_update"];
  json.erase("last_update");
  EXPECT_EQ(run_status_from(json).last_update, "2026-01-31T12:00:00Z");
}

TEST(RunProgress, IsReadDespiteAnIncompleteLine) {
  const SuiteFolder folder;
  folder.write("runs/20260101_000000_a/metrics.jsonl",
               "{\"step\": 50, \"train/loss\": 0.5}\n"
               "{\"step\": 50, \"rollout/success_rate\": 0.25}\n"
               "{\"step\": 100, \"train/loss\": null}\n{\"step\": 15");
  folder.write("runs/20260101_000000_a/run.json",
               R"({"status": "running", "tracker_urls": ["https://x/y"]})");
  RunStatus status{.name = "a", .target = "t"};
  read_progress(folder / "runs", status);
  EXPECT_EQ(status.step, 100);
  EXPECT_EQ(status.loss, 0.5);
  EXPECT_EQ(status.success_rate, 0.25);
  EXPECT_EQ(status.tracker_url, "https://x/y");
  EXPECT_FALSE(has_checkpoint(status.run_folder));
}

TEST(RunProgress, TheLastLineOfALogHasNoControlCharacters) {
  const SuiteFolder folder;
  const auto log = folder.write("log", "first\n10 %\r20 %\r\x1b[31mred\n\n");
  EXPECT_EQ(last_line(log), "\\x1b[31mred");
  EXPECT_EQ(last_line(folder / "none"), "");
}

TEST(Records, RowsOfATargetReplaceOnlyItsOwnRows) {
  const SuiteFolder folder;
  const auto suite = folder / "s";
  change_manifest(suite, [](Json& manifest) {
    manifest = {{"suite", "s"}, {"runs", {{{"name", "b"}}, {{"name", "a"}}}}};
  });
  update_records(suite, "t", {{.name = "a", .target = "t", .state = RunState::kRunning}});
  update_records(suite, "u", {{.name = "b", .target = "u", .state = RunState::kQueued}});
  update_records(suite, "t", {{.name = "a", .target = "t", .state = RunState::kFailed}});
  const auto rows = read_status(suite);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].name, "b");  // the manifest's order
  EXPECT_EQ(rows[1].state, RunState::kFailed);
}

TEST(Records, KeepALaunchThatDidNotReachItsTarget) {
  const SuiteFolder folder;
  const auto suite = folder / "s";
  const RunStatus unsent{
      .name = "b", .target = "t", .state = RunState::kFailed, .text = "not started: a full disk"};
  update_records(suite, "t", {{.name = "a", .target = "t", .state = RunState::kRunning}, unsent});
  update_records(suite, "t", {{.name = "a", .target = "t", .state = RunState::kFinished}});
  const auto rows = read_status(suite);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(find_run(rows, "a")->state, RunState::kFinished);
  EXPECT_EQ(find_run(rows, "b")->text, "not started: a full disk");
}

TEST(Records, HaveOneRowForARunThatMovedToAnotherTarget) {
  const SuiteFolder folder;
  const auto suite = folder / "s";
  update_records(suite, "t", {{.name = "a", .target = "t", .state = RunState::kFailed}});
  change_manifest(suite, [](Json& manifest) {
    manifest = {{"suite", "s"}, {"runs", {{{"name", "a"}, {"target", "u"}}}}};
  });
  update_records(suite, "u", {{.name = "a", .target = "u", .state = RunState::kRunning}});
  update_records(suite, "t", {{.name = "a", .target = "t", .state = RunState::kFailed}});
  const auto rows = read_status(suite);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].target, "u");
}

TEST(Records, NameADamagedFileAndKeepIt) {
  const SuiteFolder folder;
  folder.write("s/status.json", "{");
  EXPECT_THAT(error_text([&] { update_records(folder / "s", "t", {}); }),
              HasSubstr("status.json: not JSON"));
  EXPECT_EQ(read_text(folder / "s" / "status.json"), "{");
}

TEST(Notes, KeepTheUsersText) {
  const std::vector<RunStatus> rows = {
      {.name = "a", .target = "t", .state = RunState::kFailed, .text = "a | b\n<script>"}};
  const Json manifest = {{"suite", "s"},
                         {"runs",
                          {{{"name", "a"}, {"config", {{"k", {{"n", 1}}}}}},
                           {{"name", "b"}, {"config", {{"k", {{"n", 2}}}}}}}}};
  std::string text = notes_text(manifest, rows, "");
  EXPECT_THAT(text, HasSubstr("| a | failed | t  |  |  |  |  | a \\| b \\<script> |"));
  EXPECT_THAT(text, HasSubstr("| k.n | 1 | 2 |"));
  text += "It was the cable.\n";
  const std::string again = notes_text(manifest, {}, text);
  EXPECT_THAT(again, testing::EndsWith("## Notes\nIt was the cable.\n"));
  EXPECT_THAT(again, testing::Not(HasSubstr("| a | failed")));
  EXPECT_THAT(notes_text(manifest, {}, "By hand.\n"), testing::EndsWith("\nBy hand.\n"));
  // Notes of an earlier version have another marker.
  const std::string former =
      "# s\n\nold table\n<!-- Your own words: what stands below this line is kept. -->\nMine.\n";
  EXPECT_THAT(notes_text(manifest, {}, former), testing::EndsWith("is kept. -->\nMine.\n"));
  EXPECT_THAT(notes_text(manifest, {}, former), testing::Not(HasSubstr("old table")));
}

TEST(ConfigDifferences, AreKeysWithMoreThanOneValue) {
  const std::vector<Json> configs = {
      Json::parse(R"({"name": "a", "agent": {"n": 1, "same": [1, 2]}, "only": true})"),
      Json::parse(R"({"name": "b", "agent": {"n": 2, "same": [1, 2]}})")};
  const auto differences = config_differences(configs);
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_EQ(differences[0].key, "agent.n");
  EXPECT_THAT(differences[0].values, testing::ElementsAre("1", "2"));
  EXPECT_THAT(differences[1].values, testing::ElementsAre("true", "-"));
}

TEST(Processes, AreIdentifiedByMoreThanTheirId) {
  ProcessIdentity self = identify_process(::getpid());
  EXPECT_TRUE(is_alive(self));
  ++self.start_ticks;
  EXPECT_FALSE(is_alive(self));
  EXPECT_FALSE(is_alive({}));
}

TEST(Processes, ReceiveTheirArgumentsUnchanged) {
  const ProcessResult result =
      run_process({"printf", "%s|", "$(touch pwned)", "a b", "';`x`\n*"}, "ignored");
  EXPECT_EQ(result.output, "$(touch pwned)|a b|';`x`\n*|");
  EXPECT_EQ(run_process({"cat"}, std::string(300'000, 'x')).output.size(), 300'000u);
  EXPECT_EQ(run_process({"sh", "-c", "echo no >&2; kill -9 $$"}).status, 137);
  EXPECT_THAT(error_text([] { run_process({"no-such-program"}); }),
              HasSubstr("no-such-program: cannot start"));
}

TEST(Processes, EndAtTheTimeLimit) {
  const std::chrono::milliseconds limit(300);
  const ProcessResult result =
      run_process({"sh", "-c", "echo begun; exec sleep 60"}, "unread", limit);
  EXPECT_EQ(result.status, kTimedOut);
  EXPECT_EQ(result.output, "begun\n");
  // A process that has ended, but whose outputs another process holds open.
  EXPECT_EQ(run_process({"sh", "-c", "sleep 2 &"}, "", limit).status, kTimedOut);
  // A process that continues without output.
  EXPECT_EQ(run_process({"sh", "-c", "exec >&- 2>&-; exec sleep 60"}, "", limit).status, kTimedOut);
  EXPECT_EQ(run_process({"true"}, "", std::chrono::seconds(60)).status, 0);
}

TEST(Processes, MayEndWithTheStatusOfATimeout) {
  const ProcessResult own = run_process({"sh", "-c", "exit 124"}, "", std::chrono::seconds(60));
  EXPECT_EQ(own.status, kTimedOut);
  EXPECT_FALSE(own.timed_out);
  EXPECT_TRUE(run_process({"sleep", "60"}, "", std::chrono::milliseconds(50)).timed_out);
}

TEST(Processes, ThatReadNoInputDoNotSignalTheHostProgram) {
  const auto former = ::signal(SIGPIPE, SIG_DFL);  // the signal would end this test
  const ProcessResult result = run_process({"true"}, std::string(1'000'000, 'x'));
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(::signal(SIGPIPE, former), SIG_DFL) << "the host program's handling is as it was";
}

TEST(Processes, FailIfTheirStatusIsLost) {
  const auto former = ::signal(SIGCHLD, SIG_IGN);  // the kernel reaps them
  const std::string text = error_text([] { run_process({"false"}); });
  ::signal(SIGCHLD, former);
  EXPECT_THAT(text, HasSubstr("false: the exit status is unknown"));
}

}  // namespace
}  // namespace roboimi
