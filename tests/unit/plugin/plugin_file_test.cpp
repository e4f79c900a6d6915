#include "roboimi/plugin/plugin_file.h"

#include <gmock/gmock.h>

#include <fstream>

#include "roboimi/common/error.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// A config folder that contains mine.so, and a different current folder.
class PluginFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "roboimi_test_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    fs::create_directories(root_ / "configs");
    fs::create_directories(root_ / "here");
    std::ofstream(root_ / "configs/mine.so") << "x";
    fs::current_path(root_ / "here");
  }
  void TearDown() override {
    fs::current_path(former_);
    fs::remove_all(root_);
  }
  // Resolves `plugin` of a component in configs/policy.yaml.
  fs::path of(const std::string& plugin) const {
    return resolve_plugin_file(
        parse_yaml("{type: x, plugin: " + plugin + "}", (root_ / "configs/policy.yaml").string()));
  }
  fs::path root_, former_ = fs::current_path();
};

TEST_F(PluginFileTest, IsSearchedNextToTheConfigFile) {
  EXPECT_EQ(of("./mine.so"), root_ / "configs/mine.so");
  EXPECT_EQ(of("mine.so"), root_ / "configs/mine.so");
}

TEST_F(PluginFileTest, IsSearchedInTheCurrentFolderFirst) {
  std::ofstream(root_ / "here/mine.so") << "y";
  EXPECT_EQ(of("./mine.so"), root_ / "here/mine.so");
}

TEST_F(PluginFileTest, IsRelativeToTheCurrentFolderIfItDoesNotExist) {
  EXPECT_EQ(of("./other.so"), root_ / "here/other.so");
  EXPECT_EQ(of("/nowhere/other.so"), "/nowhere/other.so");
  EXPECT_EQ(of("/nowhere/$x/other.so"), "/nowhere/$x/other.so");
}

TEST_F(PluginFileTest, FromTheCommandLineIsOnlySearchedInTheCurrentFolder) {
  std::ofstream(root_ / "here/mine.so") << "y";
  ConfigNode node = ConfigNode::map();
  node.set("plugin", ConfigNode::scalar("mine.so", {.file = "command line"}));
  EXPECT_EQ(resolve_plugin_file(node), root_ / "here/mine.so");
}

TEST_F(PluginFileTest, IsEmptyIfNoneIsNamed) {
  EXPECT_EQ(resolve_plugin_file(parse_yaml("type: x", "policy.yaml")), "");
  EXPECT_EQ(of("null"), "");
  EXPECT_EQ(of("''"), "");
}

TEST_F(PluginFileTest, MustBeAPath) {
  EXPECT_THAT(error_text([&] { of("[a.so]"); }),
              ::testing::AllOf(::testing::HasSubstr("the value of 'plugin' is not a path"),
                               ::testing::HasSubstr("found a list")));
}

}  // namespace
}  // namespace roboimi
