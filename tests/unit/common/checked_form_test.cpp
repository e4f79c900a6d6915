#include "roboimi/common/checked_form.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

TEST(CheckedForm, ComparesOncePerCaseAndRemembersTheOutcome) {
  CheckedForm form("a fast form", "the plain form");
  int comparisons = 0;
  const auto agrees = [&] { ++comparisons; };
  const auto differs = [&] {
    ++comparisons;
    throw Error({.what = "the results differ"});
  };
  for (int call = 0; call < 2; ++call) {
    EXPECT_TRUE(form.is_usable(at::kCPU, "small", agrees));
    EXPECT_FALSE(form.is_usable(at::kCPU, "large", differs));
  }
  EXPECT_EQ(comparisons, 2);
}

TEST(CheckedForm, IsNotUsedIfSwitchedOff) {
  CheckedForm form("a fast form", "the plain form");
  ::setenv("ROBOIMI_GPU_KERNELS", "off", 1);
  EXPECT_FALSE(form.is_usable(at::kCPU, "small", [] { FAIL() << "compared"; }));
  ::unsetenv("ROBOIMI_GPU_KERNELS");
  EXPECT_TRUE(form.is_usable(at::kCPU, "small", [] {}));
}

}  // namespace
}  // namespace roboimi
