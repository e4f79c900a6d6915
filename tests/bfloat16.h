// A macro that skips a bfloat16 test if oneDNN has no bfloat16 kernels for this CPU.
#pragma once

#include <gtest/gtest.h>

#include "roboimi/common/bfloat16.h"

#define ROBOIMI_SKIP_WITHOUT_BFLOAT16() \
  if (!::roboimi::cpu_bfloat16().works) \
  GTEST_SKIP() << "no bfloat16 on this CPU: " << ::roboimi::cpu_bfloat16().why_not
