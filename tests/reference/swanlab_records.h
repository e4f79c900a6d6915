// Reads the files that a run's SwanLab followers saved offline, with SwanLab's own reader.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "roboimi/common/processes.h"
#include "tests/wait_for.h"

namespace roboimi {

inline const std::filesystem::path kTreePython = ROBOIMI_SOURCE_DIR "/.venv/bin/python";

// Returns {"scalars": {NAME: [[step, value], ...]}, "images": {NAME: [[step, width, height], ...]},
// "config": ...} and, with one entry per follower file in the order of writing, "experiments",
// "names" and "ends".
inline nlohmann::json read_swanlab(const std::filesystem::path& run) {
  const ProcessResult read =
      run_process({kTreePython.string(), ROBOIMI_SOURCE_DIR "/tests/reference/read_swanlab.py",
                   (run / "swanlab").string()});
  EXPECT_EQ(read.status, 0) << read.errors;
  return nlohmann::json::parse(read.output, nullptr, /*allow_exceptions=*/false);
}

// Waits at most half a minute for the condition.
inline bool soon(const std::function<bool()>& condition) {
  return wait_for(condition, std::chrono::seconds(30));
}

}  // namespace roboimi
