// A work folder whose jobs run a shell script in place of `roboimi run`.
#pragma once

#include <gtest/gtest.h>

#include "suite/supervisor.h"
#include "tests/unit/suite/suite_folder.h"
#include "tests/wait_for.h"

namespace roboimi {

class SupervisorTest : public ::testing::Test {
 protected:
  // Writes a queue of jobs a, b, ... that run `script`. $NAME is the job, $KIND smoke or config.
  void queue(const std::string& script, int jobs, int slots, bool smoke = false) {
    const std::string own =
        "case \"$2\" in *smoke.yaml) KIND=smoke;; *) KIND=config;; esac\n"
        "NAME=$(basename \"$(dirname \"${2#*=}\")\")\n";
    queue_ = {.target = "here",
              .suite_folder = "",
              .directory = (folder_ / "").string(),
              .program = folder_.program(own + script),
              .options = {},
              .slots = {},
              .jobs = {}};
    for (int i = 0; i < slots; ++i) queue_.slots.push_back({"slot " + std::to_string(i), {}});
    for (int i = 0; i < jobs; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      queue_.jobs.push_back({.name = name, .gpu = {}, .max_steps = 5, .smoke = smoke});
      std::filesystem::create_directories(work_.job(name));
      request("start-" + name);
    }
    work_.write_queue(queue_);
  }
  void request(const std::string& name) { write_text_atomically(work_.requests() / name, ""); }

  RunStatus row(const std::string& name) const {
    auto rows = work_.read_state();
    const RunStatus* found = find_run(rows, name);
    return found == nullptr ? RunStatus() : *found;
  }
  static bool wait_for(const std::function<bool()>& condition) {
    return roboimi::wait_for(condition, std::chrono::seconds(20));
  }
  std::string trace() const { return read_text(folder_ / "trace"); }

  SuiteFolder folder_;
  WorkFolder work_{folder_ / "work"};
  WorkQueue queue_;
};

}  // namespace roboimi
