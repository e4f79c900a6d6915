// A program that trains the tiny agent, to be killed by trainer_process_test.
//
//   trainer_child FOLDER MAX_STEPS DELAY_MS [LOG_EVERY]
//
// Continues from the newest checkpoint in FOLDER, if there is one. With LOG_EVERY, the checkpoint
// interval is not a multiple of the logging interval, and there are rollouts, whose metrics are
// written some time before the checkpoint records them.
#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "roboimi/track/metrics_file.h"
#include "roboimi/train/stop_request.h"
#include "roboimi/train/trainer.h"
#include "tests/unit/train/tiny_agent.h"

namespace {

// Waits after each line, to leave time for a kill.
class SlowMetricsFile final : public roboimi::Tracker {
 public:
  SlowMetricsFile(const std::filesystem::path& path, std::chrono::milliseconds delay)
      : file_(path), delay_(delay) {}
  void scalars(std::int64_t step, const roboimi::Scalars& values) override {
    file_.scalars(step, values);
    std::this_thread::sleep_for(delay_);
  }
  void image(std::int64_t, const std::string&, const std::filesystem::path&) override {}
  void flush() override { file_.flush(); }

 private:
  roboimi::MetricsFile file_;
  std::chrono::milliseconds delay_;
};

}  // namespace

int main(int argc, char** argv) {
  using namespace roboimi;
  if (argc != 4 && argc != 5) return EXIT_FAILURE;
  const bool rolls_out = argc == 5;
  const std::filesystem::path folder = argv[1];
  const auto delay = std::chrono::milliseconds(std::stoi(argv[3]));
  at::set_num_threads(2);
  try {
    TrainOptions options;
    options.max_steps = std::stoi(argv[2]);
    options.log_every = rolls_out ? std::stoi(argv[4]) : 5;
    options.save_every = 10;
    options.rollout_every = rolls_out ? 10 : 0;
    options.schedule = {.peak = 1e-2, .warmup_steps = 5, .max_steps = 60};
    const auto agent = testing::make_tiny_agent(5);
    CheckpointStore store(folder / "checkpoints", 100);
    const auto latest = store.latest();
    std::optional<Checkpoint> checkpoint;
    if (latest) checkpoint = read_checkpoint(*latest);
    if (checkpoint) {
      const CheckpointState& state = checkpoint->state;
      cut_metrics_back(folder / "metrics.jsonl", state.step, !state.rollouts.empty());
    }
    SlowMetricsFile metrics(folder / "metrics.jsonl", delay);
    const StopRequest stop;
    const auto batches = [&](std::int64_t step) {
      std::this_thread::sleep_for(delay);
      return testing::tiny_batch(7, step);
    };
    std::function<std::map<std::string, double>(std::int64_t)> rollouts;
    if (rolls_out) {
      rollouts = [](std::int64_t step) {
        return std::map<std::string, double>{{"success_rate", static_cast<double>(step % 7) / 7}};
      };
    }
    Trainer trainer({.agent = *agent,
                     .batches = batches,
                     .checkpoints = &store,
                     .tracker = &metrics,
                     .rollouts = rollouts,
                     .should_stop = [&stop] { return stop.requested(); },
                     .seed = 7},
                    options);
    if (checkpoint) trainer.resume(*checkpoint);
    return trainer.run() == TrainEnd::kFinished ? EXIT_SUCCESS : kInterruptedStatus;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trainer_child: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
