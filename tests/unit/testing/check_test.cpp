// Tests of what a check reports, and of the names of checks.
#include "roboimi/testing/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/testing/agent_checks.h"
#include "roboimi/testing/backbone_checks.h"
#include "roboimi/testing/communicator_checks.h"
#include "roboimi/testing/dataset_checks.h"
#include "roboimi/testing/environment_checks.h"
#include "roboimi/testing/episode_writer_checks.h"
#include "roboimi/testing/head_checks.h"

namespace roboimi::testing {
namespace {

TEST(Check, ReportsWhatToFixAndWhatWasThrown) {
  const Subject subject;
  const auto of = [&](const std::function<void()>& body) {
    return run_check("name", "reason", subject, body);
  };
  EXPECT_EQ(of([] {}).status, CheckStatus::kPassed);
  const CheckResult failed = of([] { require(false, "fix it"); });
  EXPECT_EQ(failed.status, CheckStatus::kFailed);
  EXPECT_EQ(failed.message, "fix it");
  EXPECT_EQ(of([] { skip("not here"); }).status, CheckStatus::kSkipped);
  EXPECT_EQ(of([] { throw std::logic_error("oh"); }).message, "unexpected exception: oh");
  EXPECT_EQ(of([] { throw 3; }).status, CheckStatus::kFailed);
  EXPECT_EQ(of([] { require_error("it", {"word"}, [] { throw Error("a word"); }); }).status,
            CheckStatus::kPassed);
  EXPECT_THAT(of([] { require_error("it", {"word"}, [] { throw Error("no"); }); }).message,
              ::testing::HasSubstr("does not name 'word'"));
  EXPECT_EQ(of([] { require_error("it", {}, [] {}); }).message,
            "it is accepted; throw a roboimi::Error");
}

class SkippingSubject final : public Subject {
 public:
  explicit SkippingSubject(std::string name) : name_(std::move(name)) {}
  std::map<std::string, std::string> skipped() const override { return {{name_, "not needed"}}; }

 private:
  std::string name_;
};

TEST(Check, IsSkippedByItsNameAndByAFormerOne) {
  for (const char* name : {"renders_any_size", "draws_any_size"}) {
    const CheckResult result =
        run_check("renders_any_size", "reason", SkippingSubject(name), [] { FAIL(); });
    EXPECT_EQ(result.status, CheckStatus::kSkipped) << name;
    EXPECT_EQ(result.message, "not needed");
  }
  EXPECT_EQ(run_check("episodes_end", "reason", SkippingSubject("draws_any_size"), [] {}).status,
            CheckStatus::kPassed);
}

template <typename Kind>
void add_names(const std::vector<Check<Kind>>& checks, std::set<std::string>& names) {
  for (const Check<Kind>& check : checks) names.insert(check.name);
}

TEST(Check, IsFoundByItsFormerName) {
  // The names of all checks.
  std::set<std::string> names;
  add_names(agent_checks(), names);
  add_names(backbone_checks(), names);
  add_names(communicator_checks(), names);
  add_names(dataset_checks(), names);
  add_names(environment_checks(), names);
  add_names(episode_writer_checks(), names);
  add_names(head_checks(), names);
  // Each former name stands for one of them, and is not used any more.
  for (const char* former :
       {"saves_and_loads_to_the_bit", "gives_what_it_declares", "a_latency_is_granted_whole",
        "texts_and_votes_arrive", "what_is_not_there_is_refused", "what_is_no_episode_is_refused",
        "what_was_written_has_its_header", "mapped_frames_are_the_decoded",
        "plans_may_be_one_batch", "batch_neighbours_do_not_matter", "looking_changes_nothing",
        "draws_any_size", "everyone_gets_the_roots_values", "means_have_the_whole_batchs_gradient",
        "a_deadline_changes_no_command_in_time"}) {
    EXPECT_FALSE(names.contains(former)) << former;
    EXPECT_TRUE(names.contains(current_check_name(former))) << former;
  }
  EXPECT_EQ(current_check_name("episodes_end"), "episodes_end");
}

}  // namespace
}  // namespace roboimi::testing
