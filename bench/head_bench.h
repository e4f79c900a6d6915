// Parts shared by the benchmarks of action heads: the timed work and the command line.
#pragma once

#include <ATen/Parallel.h>

#include <boost/program_options.hpp>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "roboimi/common/error.h"
#include "roboimi/common/memory.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/head.h"
#include "roboimi/train/flat_parameters.h"
#include "roboimi/train/optimizer.h"

namespace roboimi {

inline const HeadSpec kBenchSpec{
    .action_dim = 16, .pred_horizon = 16, .obs_horizon = 2, .per_step_cond_dim = 208};

// Runs training steps and action chunks of a head of kBenchSpec, like the trainer and the agent.
class HeadWorker {
 public:
  HeadWorker(std::shared_ptr<Head> head, std::int64_t batch)
      : head_(std::move(head)),
        flat_(*head_, [this](const std::string& name,
                             const at::Tensor& p) { return head_->decays(name, p); }),
        optimizer_(flat_, {}),
        generator_(make_generator(1)) {
    const HeadSpec& s = kBenchSpec;
    actions_ = at::randn({batch, s.pred_horizon, s.action_dim}, generator_);
    cond_ = at::randn({batch, s.obs_horizon, s.per_step_cond_dim}, generator_);
    is_pad_ = at::zeros({batch, s.pred_horizon}, at::kBool);
  }

  void step() {
    flat_.zero_gradients();
    head_->loss(actions_, cond_, is_pad_, generator_).loss.backward();
    flat_.clip_gradients(10.0);
    optimizer_.step(1e-4);
  }

  void chunk() {
    at::NoGradGuard no_grad;
    head_->sample(cond_.narrow(0, 0, 1), generator_);
  }

 private:
  std::shared_ptr<Head> head_;
  FlatParameters flat_;
  AdamW optimizer_;
  at::Generator generator_;
  at::Tensor actions_, cond_, is_pad_;
};

// The options of all benchmarks of heads. Each benchmark adds its own to `options`.
struct HeadBench {
  explicit HeadBench(const std::string& name, std::int64_t default_chunks)
      : chunks(default_chunks), options(name) {
    add("pairs", &pairs, "number of training steps to measure on each side");
    add("chunks", &chunks, "number of action chunks to measure on each side");
    add("threads", &threads, "CPU threads");
    add("batch", &batch, "batch size of a training step");
    options.add_options()("help", "show this help")(
        "json", boost::program_options::value(&json_file), "also write the results to this file");
  }

  void add(const char* name, std::int64_t* place, const char* description) {
    options.add_options()(name, boost::program_options::value(place)->default_value(*place),
                          description);
  }

  std::int64_t pairs = 10, chunks, threads = 2, batch = 64;
  std::string json_file;
  boost::program_options::options_description options;
};

// Runs a benchmark and returns its exit status. `measure` runs the work, prints a table and returns
// the results for --json.
inline int run_head_bench(HeadBench& bench, int argc, char** argv,
                          const std::function<nlohmann::json()>& measure) {
  namespace po = boost::program_options;
  try {
    // Parse the command line.
    po::variables_map values;
    po::store(po::parse_command_line(argc, argv, bench.options), values);
    po::notify(values);
    if (values.count("help")) {
      std::cout << bench.options;
      return 0;
    }
    keep_freed_memory();  // as `roboimi` does
    at::set_num_threads(static_cast<int>(bench.threads));
    const nlohmann::json result = measure();
    if (!bench.json_file.empty()) std::ofstream(bench.json_file) << result.dump(2) << "\n";
    return 0;
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << one_line_message(error) << "\n";
    return 1;
  }
}

}  // namespace roboimi
