// Helpers that return the error message of a call.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "roboimi/common/error.h"

namespace roboimi {

// The message of the roboimi::Error that `call` throws, a single line, or "accepted" if it throws
// none.
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

// The same for a call that must fail.
template <typename Call>
std::string error_text(Call&& call) {
  const std::string text = error_or_accepted(call);
  EXPECT_NE(text, "accepted") << "no roboimi::Error was thrown";
  return text;
}

}  // namespace roboimi
