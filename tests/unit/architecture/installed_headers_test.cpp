// Tests of the installed headers: they include no other header of roboimi, and a change of their
// code requires a new version of the plugin API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/plugin/fingerprint.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

const fs::path kSourceRoot = ROBOIMI_SOURCE_DIR;
const fs::path kCore = kSourceRoot / "core/roboimi";

// Paths below core/roboimi, by the list that the installation uses.
std::set<std::string> installed_headers() {
  const std::string list = read_text(kSourceRoot / "cmake/installed_headers.cmake");
  const std::regex entry(R"(\n    ([a-z_/]+(\.h)?))");
  std::set<std::string> headers;
  for (std::sregex_iterator match(list.begin(), list.end(), entry), end; match != end; ++match) {
    const std::string name = (*match)[1];
    if (name.ends_with(".h")) {
      headers.insert(name);
      continue;
    }
    for (const auto& file : fs::directory_iterator(kCore / name)) {
      if (file.path().extension() != ".h") continue;
      headers.insert(name + "/" + file.path().filename().string());
    }
  }
  return headers;
}

// The text without comments and without white space, which strings and characters keep.
std::string tokens_of(const std::string& text) {
  static const std::regex part(
      R"re("(\\.|[^"\\])*"|'(\\.|[^'\\])'|//[^\n]*|/\*(.|\n)*?\*/|\s+|[^"'/\s]+|.)re");
  std::string tokens;
  for (std::sregex_iterator match(text.begin(), text.end(), part), end; match != end; ++match) {
    const std::string found = match->str();
    const bool is_comment = found.starts_with("//") || found.starts_with("/*");
    if (!is_comment && std::isspace(static_cast<unsigned char>(found.front())) == 0) {
      tokens += found;
    }
  }
  return tokens;
}

std::string contract_hash() {
  std::string all;
  for (const std::string& header : installed_headers()) {
    all += header + "\n" + tokens_of(read_text(kCore / header)) + "\n";
  }
  return Sha256().update(all.data(), all.size()).hex();
}

TEST(InstalledHeaders, IncludeNoHeaderThatIsNotInstalled) {
  const std::set<std::string> headers = installed_headers();
  const std::regex include(R"re(#include "roboimi/([^"]+)")re");
  std::vector<std::string> missing;
  for (const std::string& header : headers) {
    const std::string text = read_text(kCore / header);
    for (std::sregex_iterator match(text.begin(), text.end(), include), end; match != end;
         ++match) {
      if (!headers.contains((*match)[1])) missing.push_back(header + " includes " + match->str(1));
    }
  }
  EXPECT_GT(headers.size(), 25u) << "the headers were not found";
  EXPECT_TRUE(headers.contains("deploy/policy.h"));
  EXPECT_TRUE(headers.contains("contract/agent.h"));
  EXPECT_THAT(missing, testing::IsEmpty());
}

TEST(InstalledHeaders, ChangeWithTheVersionOfThePluginApi) {
  // A line for each version: its number and the hash of its headers.
  std::istringstream lines(read_text(kSourceRoot / "tests/golden/plugin_api_versions.txt"));
  std::map<std::uint32_t, std::string> hashes;
  std::uint32_t version = 0;
  for (std::string hash; lines >> version >> hash;) hashes[version] = hash;
  EXPECT_EQ(hashes[kPluginApiVersion], contract_hash())
      << "The installed headers have changed. If a release has this version, raise "
         "kPluginApiVersion in core/roboimi/plugin/fingerprint.h; then write the version and the "
         "hash into tests/golden/plugin_api_versions.txt.";
  EXPECT_EQ(hashes.rbegin()->first, kPluginApiVersion);
}

TEST(InstalledHeaders, AreComparedByTheirTokens) {
  const std::string tokens = tokens_of("// why\nint  f(char c = '\"', /* what\n*/ int d);\n");
  EXPECT_EQ(tokens, "intf(charc='\"',intd);");
  EXPECT_EQ(tokens_of("  \"a // b\"\n"), "\"a // b\"");
  EXPECT_EQ(tokens_of("a / b"), "a/b");
  EXPECT_NE(tokens_of("int f(int);"), tokens_of("int f(long);"));
}

}  // namespace
}  // namespace roboimi
