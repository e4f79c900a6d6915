// What a call that must fail says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "roboimi/common/error.h"

namespace roboimi {

template <typename Call>
std::string error_text(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no roboimi::Error was thrown";
  return "";
}

}  // namespace roboimi
