#include "roboimi/plugin/fingerprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace roboimi {
namespace {

using testing::HasSubstr;

Fingerprint sample() { return detail::make_fingerprint("sample", "1.2.3"); }

std::string problem_with(const Fingerprint& plugin, std::size_t size = sizeof(Fingerprint)) {
  std::vector<std::uint8_t> bytes(std::max(size, sizeof(plugin)));
  std::memcpy(bytes.data(), &plugin, sizeof(plugin));
  bytes.resize(size);
  Error::Parts problem;
  return check_fingerprint(bytes, host_fingerprint(), problem) ? "" : Error(problem).what();
}

TEST(Fingerprint, OfThisBuildIsAccepted) {
  EXPECT_EQ(problem_with(sample()), "");
  EXPECT_EQ(plugin_name_of(sample()), "sample");
  EXPECT_STREQ(host_fingerprint().torch_version, TORCH_VERSION);
}

TEST(Fingerprint, OfAnotherCompilerIsAcceptedIfTheAbiMatches) {
  Fingerprint plugin = sample();
  detail::set_text(plugin.compiler, "clang 21.0.0");
  EXPECT_EQ(problem_with(plugin), "");
}

TEST(Fingerprint, ReportsTheApiVersionBeforeTheSize) {
  Fingerprint plugin = sample();
  plugin.api_version += 1;
  plugin.size += 100;
  EXPECT_THAT(problem_with(plugin), HasSubstr("built for a newer roboimi"));
  EXPECT_THAT(problem_with(plugin, 16), HasSubstr("built for a newer roboimi"));
}

TEST(Fingerprint, OfTheWrongSizeIsRejected) {
  EXPECT_THAT(problem_with(sample(), sizeof(Fingerprint) + 4), HasSubstr("found 384 bytes"));
  EXPECT_THAT(problem_with(sample(), 15), HasSubstr("found a note of 15 bytes"));
  EXPECT_THAT(problem_with(sample(), 0), HasSubstr("found a note of 0 bytes"));
}

TEST(Fingerprint, IsShownWithoutControlCharacters) {
  Fingerprint plugin = sample();
  std::memset(plugin.torch_version, '\n', sizeof(plugin.torch_version));
  EXPECT_THAT(problem_with(plugin), HasSubstr("found libtorch " + std::string(32, '?')));
}

}  // namespace
}  // namespace roboimi
