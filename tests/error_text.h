// What a call that fails says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "roboimi/common/error.h"

namespace roboimi {

// The text of its roboimi::Error, a single line, or "accepted" where there is none.
template <typename Call>
std::string error_or_accepted(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "accepted";
}

// The same of a call that must fail.
template <typename Call>
std::string error_text(Call&& call) {
  const std::string text = error_or_accepted(call);
  EXPECT_NE(text, "accepted") << "no roboimi::Error was thrown";
  return text;
}

}  // namespace roboimi
