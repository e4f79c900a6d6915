// What SwanLab's own reader finds in the files that a run's followers kept offline.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "roboimi/common/processes.h"

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

// Polls for at most half a minute.
inline bool soon(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

}  // namespace roboimi
