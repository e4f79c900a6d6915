// Runs with the tiny agent in a folder of their own, for tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "roboimi/train/experiment.h"
#include "roboimi/train/run_folder.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"
#include "tests/unit/train/tiny_task.h"

namespace roboimi {

namespace fs = std::filesystem;

class ExperimentTest : public ::testing::Test {
 protected:
  ExperimentTest() {
    testing::register_tiny_task();
    std::ofstream(folder_ / "data.bin") << "recordings";
  }

  ConfigNode config(const std::string& name, std::int64_t max_steps,
                    const std::string& more = "") const {
    return parse_yaml(
        "name: " + name + "\nseed: 3\ndevice: cpu\noutput_dir: " + (folder_ / "runs").string() +
            "\nagent: {type: tiny}\ndata: {type: tiny, path: " + (folder_ / "data.bin").string() +
            "}\nenv: {type: tiny}\ncollect: {num_episodes: 3}\n" + more +
            "train: {max_steps: " + std::to_string(max_steps) +
            ", batch_size: 16, learning_rate: 0.01, warmup_steps: 2, lr_schedule: constant, "
            "log_every: 5, "
            "save_every: 10, rollout_every: 20, rollout_num_episodes: 3, threads: 2}\n",
        "test.yaml");
  }
  std::string error_of(const ConfigNode& root) const {
    return error_text([&] { run_experiment(root, {}); });
  }
  fs::path run_of(const std::string& name) const {
    return newest_run_folder(folder_ / "runs", name);
  }

  const ScratchFolder scratch_;
  const fs::path folder_ = scratch_;
};

}  // namespace roboimi
