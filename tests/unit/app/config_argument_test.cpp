#include "app/config_argument.h"

#include <gmock/gmock.h>

#include "tests/error_text.h"
#include "tests/unit/config/config_folder.h"
#include "tests/unit/train/tiny_task.h"

namespace roboimi::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace po = boost::program_options;

ParsedArguments parse_positional(const Arguments& words) {
  po::options_description options;
  options.add_options()("config", po::value<std::string>(), "")("json", po::bool_switch(), "");
  ParsedArguments parsed = parse_arguments(words, options);
  take_positional(parsed, "config");
  return parsed;
}

TEST(TakePositional, IsTheFirstWordThatIsNotAnOverride) {
  const ParsedArguments parsed =
      parse_positional({"seed=1", "run.yaml", "~env", "--json", "a.b=c"});
  EXPECT_EQ(parsed.values["config"].as<std::string>(), "run.yaml");
  EXPECT_THAT(parsed.words, ElementsAre("seed=1", "~env", "a.b=c"));
}

TEST(TakePositional, GivesWayToTheOption) {
  const ParsedArguments parsed = parse_positional({"--config", "a.yaml", "b.yaml"});
  EXPECT_EQ(parsed.values["config"].as<std::string>(), "a.yaml");
  EXPECT_THAT(parsed.words, ElementsAre("b.yaml"));
}

TEST(TakePositional, MayBeAbsent) {
  EXPECT_EQ(parse_positional({"seed=1", "~env"}).values.count("config"), 0u);
}

class ConfigOfCommand : public ::testing::Test {
 protected:
  ConfigOfCommand() {
    testing::register_tiny_task();
    folder_.write("train.yaml", "agent: {type: tiny}\ndata:\n  type: tiny\n  path: /a/data.bin\n");
    folder_.write("collect.yaml", "env: {type: tiny}\nwriter: {type: none}\n");
  }
  std::string collect_error(const std::string& config,
                            const std::vector<std::string>& overrides = {}) const {
    return error_text([&] { compose_collection(folder_.file(config), overrides, {}, {}); });
  }
  std::string train_error(const std::string& config,
                          const std::vector<std::string>& overrides = {}) const {
    return error_text([&] { compose_training(folder_.file(config), overrides, {}); });
  }

  ConfigFolder folder_;
};

TEST_F(ConfigOfCommand, IsAccepted) {
  EXPECT_NO_THROW(compose_training(folder_.file("train.yaml"), {"train.max_steps=3"}, {}));
  EXPECT_NO_THROW(compose_collection(folder_.file("collect.yaml"), {"collect.workers=3"}, {}, {}));
}

TEST_F(ConfigOfCommand, IsRejectedWithTheRightCommandIfItIsForAnother) {
  const std::string train = folder_.file("train.yaml"), collect = folder_.file("collect.yaml");
  EXPECT_EQ(collect_error("train.yaml"),
            train +
                ": this configuration is for training, not for collecting demonstrations; use "
                "it with: roboimi run --config " +
                train);
  EXPECT_EQ(train_error("collect.yaml"),
            collect +
                ": this configuration is for collecting demonstrations, not for training; "
                "use it with: roboimi collect --config " +
                collect);
}

TEST_F(ConfigOfCommand, IsRejectedLikeThatEvenIfAnOverrideDoesNotFit) {
  EXPECT_THAT(collect_error("train.yaml", {"collect.num_episodes=3"}),
              HasSubstr("this configuration is for training"));
  EXPECT_THAT(train_error("collect.yaml", {"train.max_steps=3"}),
              HasSubstr("this configuration is for collecting"));
  EXPECT_THAT(train_error("train.yaml", {"train.max_step=3"}),
              HasSubstr("did you mean 'train.max_steps'?"));
}

}  // namespace
}  // namespace roboimi::app
