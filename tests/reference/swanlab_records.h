// What SwanLab's own reader finds in the files that a run's followers kept offline.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "roboimi/common/processes.h"
#include "tests/wait_for.h"

namespace roboimi {

inline const std::filesystem::path kTreePython = ROBOIMI_SOURCE_DIR "/.venv/bin/python";

// {"scalars": {NAME: [[step, value], ...]}, "images": {NAME: [[step, width, height], ...]},
//  "config": ..., and of each follower's file: "experiments", "names", "ends"}, in the order of
// writing.
inline nlohmann::json read_swanlab(const std::filesystem::path& run) {
  const ProcessResult read =
      run_process({kTreePython.string(), ROBOIMI_SOURCE_DIR "/tests/reference/read_swanlab.py",
                   (run / "swanlab").string()});
  EXPECT_EQ(read.status, 0) << read.errors;
  return nlohmann::json::parse(read.output, nullptr, /*allow_exceptions=*/false);
}

// For at most half a minute.
inline bool soon(const std::function<bool()>& condition) {
  return wait_for(condition, std::chrono::seconds(30));
}

}  // namespace roboimi
