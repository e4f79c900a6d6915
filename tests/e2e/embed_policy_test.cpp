// Tests of the example program embed_policy with a policy trained by `roboimi run`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "tests/e2e/program.h"

namespace roboimi::e2e {
namespace {

using ::testing::HasSubstr;

// A policy that uses only the state, trained for two steps on two episodes.
class EmbedPolicy : public WithDemonstrations {
 protected:
  static void SetUpTestSuite() {
    collect("embed_policy", /*episodes=*/2);
    const Result trained = place_->run(
        {"run", "--config", "lewm_imf_attnres.yaml", "size=small", "agent=state_imf_attnres",
         "agent.use_env_state=false", "agent.head.n_emb=32", "agent.head.n_layer=2",
         "agent.head.n_head=4", "data.path=data", "output_dir=runs", "train.batch_size=8",
         "train.max_steps=2", "train.rollout_num_episodes=0", "train.threads=2"});
    ASSERT_EQ(trained.status, 0) << trained.errors;
  }

  static Result drive(const std::vector<std::string>& arguments) {
    namespace bp = boost::process;
    bp::ipstream output, errors;
    bp::child child(bp::exe = EMBED_POLICY, bp::args = arguments,
                    bp::std_in<bp::null, bp::std_out> output, bp::std_err > errors);
    const auto text = [](std::istream& stream) {
      return std::string(std::istreambuf_iterator<char>(stream), {});
    };
    Result result{.output = text(output), .errors = text(errors)};
    child.wait();
    result.status = child.exit_code();
    return result;
  }
};

TEST_F(EmbedPolicy, DrivesTheSimulatorAtItsControlRate) {
  const auto start = std::chrono::steady_clock::now();
  const Result driven = drive({newest_run(*place_ / "runs").string(), "2", "25"});
  ASSERT_EQ(driven.status, 0) << driven.errors;
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1900));
  EXPECT_THAT(driven.output, HasSubstr("40 steps at 20 Hz, 1 episodes"));
  std::smatch match;
  ASSERT_TRUE(std::regex_search(
      driven.output, match, std::regex("p50 ([0-9.]+) p90 ([0-9.]+) p99 ([0-9.]+) p100 ([0-9.]+)")))
      << driven.output;
  EXPECT_GT(std::stod(match[1]), 0.0);
  for (std::size_t i = 2; i <= 4; ++i) EXPECT_GE(std::stod(match[i]), std::stod(match[i - 1]));
  EXPECT_THAT(driven.output, HasSubstr("missed deadlines "));
  // After two training steps the policy commands noise, which the limits clip to the data's range.
  ASSERT_TRUE(std::regex_search(driven.output, match, std::regex("by step ([0-9]+)")));
  EXPECT_GT(std::stoi(match[1]), 0);
}

TEST_F(EmbedPolicy, ReportsMistakesInOneLine) {
  const Result wrong = drive({(*place_ / "nothing").string()});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.errors, HasSubstr("no checkpoint here"));
  EXPECT_EQ(std::count(wrong.errors.begin(), wrong.errors.end(), '\n'), 1) << wrong.errors;
  const Result alone = drive({});
  EXPECT_EQ(alone.status, 1);
  EXPECT_THAT(alone.errors, HasSubstr("usage: embed_policy CHECKPOINT"));
  const Result unreadable = drive({"runs", "x"});
  EXPECT_EQ(unreadable.status, 1);
  EXPECT_THAT(unreadable.errors,
              HasSubstr("SECONDS is not a positive number: expected such as 2 or "
                        "12.5; found 'x'"));
}

}  // namespace
}  // namespace roboimi::e2e
