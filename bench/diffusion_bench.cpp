// Diffusion Policy's head beside eager PyTorch: training steps and action chunks in alternated
// pairs.
//
//   build/release/bin/diffusion_bench [--pairs 10] [--chunks 30] [--threads 2] [--steps 10]
//                                     [--batch 64] [--json FILE]
//
// Starts bench/reference/diffusion_eager.py; in each pair both sides work once, so that whatever
// else the machine does falls on both. Prints medians and ratios.
#include <ATen/Parallel.h>

#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/eager_worker.h"
#include "plugins/diffusion_head/diffusion_head.h"
#include "roboimi/common/memory.h"
#include "roboimi/common/random.h"
#include "roboimi/train/flat_parameters.h"
#include "roboimi/train/optimizer.h"

namespace roboimi {
namespace {

struct Sizes {
  std::int64_t batch, threads, steps, pairs, chunks;
};

// A training step and a chunk as the trainer and the agent run them.
class RoboimiWorker {
 public:
  explicit RoboimiWorker(const Sizes& sizes)
      : head_(make_head(sizes)),
        flat_(*head_, [this](const std::string& name,
                             const at::Tensor& p) { return head_->decays(name, p); }),
        optimizer_(flat_, {}),
        generator_(make_generator(1)) {
    actions_ = at::randn({sizes.batch, 16, 16}, generator_);
    cond_ = at::randn({sizes.batch, 2, 208}, generator_);
    is_pad_ = at::zeros({sizes.batch, 16}, at::kBool);
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
  static std::shared_ptr<diffusion_head::DiffusionHead> make_head(const Sizes& sizes) {
    const HeadSpec spec{
        .action_dim = 16, .pred_horizon = 16, .obs_horizon = 2, .per_step_cond_dim = 208};
    const SeededConstruction seeded(0);
    return std::make_shared<diffusion_head::DiffusionHead>(
        diffusion_head::DiffusionOptions{.num_inference_steps = sizes.steps,
                                         .sampler = diffusion_head::Sampler::kDdim},
        spec);
  }

  std::shared_ptr<diffusion_head::DiffusionHead> head_;
  FlatParameters flat_;
  AdamW optimizer_;
  at::Generator generator_;
  at::Tensor actions_, cond_, is_pad_;
};

nlohmann::json measure(const Sizes& sizes) {
  EagerWorker eager("diffusion_eager.py",
                    {"--threads", std::to_string(sizes.threads), "--steps",
                     std::to_string(sizes.steps), "--batch", std::to_string(sizes.batch)});
  RoboimiWorker ours(sizes);
  std::vector<double> eager_step, step, eager_chunk, chunk;
  for (std::int64_t i = -2; i < sizes.pairs; ++i) {
    const double a = eager.seconds("train"), b = seconds_of([&] { ours.step(); });
    if (i < 0) continue;  // warm-up
    eager_step.push_back(a), step.push_back(b);
  }
  for (std::int64_t i = -3; i < sizes.chunks; ++i) {
    const double a = eager.seconds("chunk"), b = seconds_of([&] { ours.chunk(); });
    if (i < 0) continue;
    eager_chunk.push_back(a), chunk.push_back(b);
  }
  return {{"train_seconds", {{"plain", median(eager_step)}, {"roboimi", median(step)}}},
          {"train_ratio", median_ratio(step, eager_step)},
          {"chunk_seconds", {{"plain", median(eager_chunk)}, {"roboimi", median(chunk)}}},
          {"chunk_ratio", median_ratio(chunk, eager_chunk)}};
}

void print_table(const Sizes& s, const nlohmann::json& result) {
  std::printf("diffusion head 256x8, %ld threads, medians of %ld training and %ld chunk pairs\n",
              s.threads, s.pairs, s.chunks);
  const auto rows = [&](const char* title, const std::string& name) {
    const auto& seconds = result[name + "_seconds"];
    std::printf("%s\n  PyTorch %10.2f ms\n  roboimi %10.2f ms   ratio %.3f\n", title,
                1e3 * seconds["plain"].get<double>(), 1e3 * seconds["roboimi"].get<double>(),
                result[name + "_ratio"].get<double>());
  };
  rows(("training step, dropout 0.3, batch " + std::to_string(s.batch)).c_str(), "train");
  rows(("one action chunk, batch 1, DDIM steps " + std::to_string(s.steps)).c_str(), "chunk");
}

int run(int argc, char** argv) {
  namespace po = boost::program_options;
  Sizes s{};
  std::string json_file;
  po::options_description options("diffusion_bench");
  const auto size = [](std::int64_t& place, std::int64_t value) {
    return po::value(&place)->default_value(value);
  };
  options.add_options()("help", "this text")("pairs", size(s.pairs, 10), "training steps of each")(
      "chunks", size(s.chunks, 30), "action chunks of each")("threads", size(s.threads, 2), "")(
      "steps", size(s.steps, 10), "evaluations per chunk")("batch", size(s.batch, 64), "")(
      "json", po::value(&json_file), "also write the numbers here");
  po::variables_map values;
  po::store(po::parse_command_line(argc, argv, options), values);
  po::notify(values);
  if (values.count("help")) {
    std::cout << options;
    return 0;
  }
  keep_freed_memory();  // as the program does
  at::set_num_threads(static_cast<int>(s.threads));
  const nlohmann::json result = measure(s);
  print_table(s, result);
  if (!json_file.empty()) std::ofstream(json_file) << result.dump(2) << "\n";
  return 0;
}

}  // namespace
}  // namespace roboimi

int main(int argc, char** argv) {
  try {
    return roboimi::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "diffusion_bench: " << error.what() << "\n";
    return 1;
  }
}
