// A fixture for tests of `roboimi run` in several processes: a minimal training, and the folder and
// end of a run.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/e2e/program.h"
#include "tests/wait_for.h"

namespace roboimi::e2e {

class SeveralProcesses : public WithDemonstrations {
 protected:
  static inline const std::string kRoboimi = ROBOIMI_BINARY_DIR "/bin/roboimi";

  static void collect_small(const std::string& tag) {
    collect(tag, /*episodes=*/2, {"env.image_height=48", "env.image_width=64"});
  }

  // The arguments of a minimal training that writes into this test's folder.
  static std::vector<std::string> policy_with(const std::string& communicator,
                                              const std::vector<std::string>& more) {
    return words(
        {"run", "--config", "lewm_imf_attnres.yaml", "size=small", "communicator=" + communicator,
         "agent=state_imf_attnres", "data.path=data", "env.image_height=48", "env.image_width=64",
         output_dir(), "agent.head.n_emb=16", "agent.head.n_layer=1", "agent.head.n_head=2",
         "train.batch_size=4", "train.threads=1", "train.log_every=5", "train.rollout_every=0",
         "train.rollout_num_episodes=0"},
        more);
  }

  static std::string name() {
    return ::testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  static std::string output_dir() { return "output_dir=runs_" + name(); }
  static fs::path runs() { return *place_ / ("runs_" + name()); }
  static nlohmann::json record_of(const fs::path& run) {
    return nlohmann::json::parse(read_text(run / "run.json"), nullptr, /*allow_exceptions=*/false);
  }

  // Whether the training logged metrics within a minute.
  static bool has_begun() {
    return wait_for(
        [] {
          if (!fs::exists(runs())) return false;
          const fs::path metrics = newest_run(runs()) / "metrics.jsonl";
          return fs::exists(metrics) && fs::file_size(metrics) > 0;
        },
        std::chrono::minutes(1));
  }
  // Waits at most two minutes for the child to end.
  static Result finish(boost::process::child& child) {
    const bool ended = wait_for([&] { return !child.running(); }, std::chrono::minutes(2));
    EXPECT_TRUE(ended) << "the processes hang";
    if (!ended) child.terminate();
    child.wait();
    return place_->result_of(child);
  }
};

}  // namespace roboimi::e2e
