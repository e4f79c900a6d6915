// A test fixture with a small checkpoint and a folder of checkpoints.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/checkpoint/checkpoint.h"
#include "tests/unit/train/tiny_agent.h"

namespace roboimi {

inline Checkpoint small_checkpoint(std::int64_t step, std::int64_t num_weights = 4) {
  Checkpoint checkpoint;
  checkpoint.state.step = step;
  checkpoint.state.ema_step = step;
  checkpoint.state.spec = testing::tiny_spec();
  checkpoint.state.conditions = NumericConditions::current("cpu");
  checkpoint.model["weight"] = at::full({num_weights}, static_cast<double>(step));
  checkpoint.ema["weight"] = at::full({num_weights}, 0.5);
  checkpoint.optimizer["step"] = at::full({}, static_cast<double>(step));
  checkpoint.config_yaml = "name: test\n";
  return checkpoint;
}

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() { std::filesystem::remove_all(folder_); }
  ~CheckpointTest() override { std::filesystem::remove_all(folder_); }

  void save(CheckpointStore& store, std::int64_t step, std::optional<double> success = {}) {
    store.save(small_checkpoint(step));
    if (success) store.record_rollouts(step, {{"success_rate", *success}});
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& item : std::filesystem::directory_iterator(folder_)) {
      names.push_back(item.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / "roboimi_checkpoint_test";
};

}  // namespace roboimi
