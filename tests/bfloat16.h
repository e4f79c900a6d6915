// Skips a test of bfloat16 where oneDNN has no kernels for it on this CPU.
#pragma once

#include <gtest/gtest.h>

#include "roboimi/common/bfloat16.h"

#define ROBOIMI_SKIP_WITHOUT_BFLOAT16() \
  if (!::roboimi::cpu_bfloat16().works) \
  GTEST_SKIP() << "no bfloat16 on this CPU: " << ::roboimi::cpu_bfloat16().why_not
