// The head checks of conditions with tokens. Internal; head_checks() includes them.
#pragma once

#include <vector>

#include "roboimi/testing/check.h"
#include "roboimi/testing/head_checks.h"

namespace roboimi::testing {

const std::vector<Check<HeadSubject>>& head_token_checks();

}  // namespace roboimi::testing
