// A training in a process of its own, to be killed by trainer_process_test.
//
//   trainer_child FOLDER MAX_STEPS DELAY_MS
//
// Continues from the newest checkpoint of FOLDER, if there is one.
#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "roboimi/track/metrics_file.h"
#include "roboimi/train/stop_request.h"
#include "roboimi/train/trainer.h"
#include "tests/unit/train/tiny_agent.h"

int main(int argc, char** argv) {
  using namespace roboimi;
  if (argc != 4) return EXIT_FAILURE;
  const std::filesystem::path folder = argv[1];
  const auto delay = std::chrono::milliseconds(std::stoi(argv[3]));
  at::set_num_threads(2);
  try {
    TrainOptions options;
    options.max_steps = std::stoi(argv[2]);
    options.log_every = 5;
    options.save_every = 10;
    options.rollout_every = 0;
    options.schedule = {.peak = 1e-2, .warmup_steps = 5, .max_steps = 60};
    const auto agent = testing::make_tiny_agent(5);
    CheckpointStore store(folder / "checkpoints", 100);
    const auto latest = store.latest();
    std::optional<Checkpoint> checkpoint;
    if (latest) checkpoint = read_checkpoint(*latest);
    if (checkpoint) cut_metrics_back(folder / "metrics.jsonl", checkpoint->state.step);
    MetricsFile metrics(folder / "metrics.jsonl");
    const StopRequest stop;
    const auto batches = [&](std::int64_t step) {
      std::this_thread::sleep_for(delay);
      return testing::tiny_batch(7, step);
    };
    Trainer trainer({.agent = *agent,
                     .batches = batches,
                     .checkpoints = &store,
                     .tracker = &metrics,
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
