#include "app/option_hint.h"

#include <gtest/gtest.h>

#include "tests/unit/config/config_folder.h"
#include "tests/unit/train/tiny_task.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;

class OptionHint : public ::testing::Test {
 protected:
  OptionHint() {
    testing::register_tiny_task();
    folder_.write("run.yaml",
                  "agent: {type: tiny}\ndata:\n  type: tiny\n  path: /a/data.bin\n"
                  "env: {type: tiny}\n");
  }

  // The hint for the first of these words.
  static std::string hint(const Arguments& arguments, const char* config_option = "config") {
    po::options_description options;
    options.add_options()(config_option, po::value<std::string>(), "")(
        "config-dir", po::value<std::string>(), "")("device", po::value<std::string>(), "");
    return hint_for_option(arguments[0], arguments, options);
  }

  ConfigFolder folder_;
};

TEST_F(OptionHint, WritesAKeyWithoutDashes) {
  EXPECT_EQ(hint({"--train.max_steps=10"}), "write train.max_steps=10, without dashes");
  EXPECT_EQ(hint({"--train.max_steps", "10"}), "write train.max_steps=10, without dashes");
  EXPECT_EQ(hint({"--train.max_steps"}), "write train.max_steps=VALUE, without dashes");
  EXPECT_EQ(hint({"--agent.head.noise", "-1"}), "write agent.head.noise=-1, without dashes");
}

TEST_F(OptionHint, CompletesTheLastPartOfAKey) {
  EXPECT_EQ(hint({"--batch_size", "8"}), "write train.batch_size=8, without dashes");
  EXPECT_EQ(hint({"--batch-size=8"}), "write train.batch_size=8, without dashes");
  EXPECT_EQ(hint({"--num_episodes", "20"}), "write collect.num_episodes=20, without dashes");
  EXPECT_EQ(hint({"--seed", "1"}), "write seed=1, without dashes");
  EXPECT_EQ(hint({"--lr", "1e-4"}), "write train.learning_rate=1e-4, without dashes");
}

TEST_F(OptionHint, CompletesKeysOfTheComponentsOfTheConfig) {
  const std::string config = folder_.file("run.yaml");
  EXPECT_EQ(hint({"--hidden", "9", config}), "write agent.hidden=9, without dashes");
  EXPECT_EQ(hint({"--hidden", "9", "--config=" + config}), "write agent.hidden=9, without dashes");
  EXPECT_EQ(hint({"--hidden", "9"}), "see --help") << "without a config, components are unknown";
  EXPECT_EQ(hint({"--num_episodes", "20", config}), "see --help") << "a key of collections";
}

TEST_F(OptionHint, SuggestsTheNearestOptionOrKey) {
  EXPECT_EQ(hint({"--confg", "x"}), "did you mean '--config'?");
  EXPECT_EQ(hint({"--config-name", "x"}), "did you mean '--config'?");
  EXPECT_EQ(hint({"--config-name=x"}), "did you mean '--config'?");
  EXPECT_EQ(hint({"--batch_sise", "8"}), "did you mean train.batch_size=8, without dashes?");
  EXPECT_EQ(hint({"--frobnicate", "8"}), "see --help");
}

TEST_F(OptionHint, SuggestsNoKeysToACommandWithoutConfig) {
  EXPECT_EQ(hint({"--batch_size", "8"}, "layout"), "see --help");
  EXPECT_EQ(hint({"--layuot", "8"}, "layout"), "did you mean '--layout'?");
}

}  // namespace
}  // namespace roboimi::app
