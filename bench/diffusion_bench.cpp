// A benchmark of Diffusion Policy's head against eager PyTorch: training steps and action chunks,
// measured in alternating pairs.
//
//   build/release/bin/diffusion_bench [--pairs 10] [--chunks 30] [--threads 2] [--steps 10]
//                                     [--batch 64] [--json FILE]
//
// Starts bench/reference/diffusion_eager.py. In each pair both sides run once, so that other load
// on the machine affects both. Prints medians and ratios.
#include "bench/eager_worker.h"
#include "bench/head_bench.h"
#include "plugins/diffusion_head/diffusion_head.h"

namespace roboimi {
namespace {

struct DiffusionBench : HeadBench {
  DiffusionBench() : HeadBench("diffusion_bench", 30) {
    add("steps", &steps, "evaluations per chunk");
  }
  std::int64_t steps = 10;
};

std::shared_ptr<diffusion_head::DiffusionHead> make_head(const DiffusionBench& bench) {
  const SeededConstruction seeded(0);
  return std::make_shared<diffusion_head::DiffusionHead>(
      diffusion_head::DiffusionOptions{.num_inference_steps = bench.steps,
                                       .sampler = diffusion_head::Sampler::kDdim},
      kBenchSpec);
}

nlohmann::json measure(const DiffusionBench& bench) {
  EagerWorker eager("diffusion_eager.py",
                    {"--threads", std::to_string(bench.threads), "--steps",
                     std::to_string(bench.steps), "--batch", std::to_string(bench.batch)});
  HeadWorker ours(make_head(bench), bench.batch);
  // Training steps, then action chunks.
  std::vector<double> eager_step, step, eager_chunk, chunk;
  for (std::int64_t i = -2; i < bench.pairs; ++i) {
    const double a = eager.seconds("train"), b = seconds_of([&] { ours.step(); });
    if (i < 0) continue;  // warm-up
    eager_step.push_back(a), step.push_back(b);
  }
  for (std::int64_t i = -3; i < bench.chunks; ++i) {
    const double a = eager.seconds("chunk"), b = seconds_of([&] { ours.chunk(); });
    if (i < 0) continue;
    eager_chunk.push_back(a), chunk.push_back(b);
  }
  return {{"train_seconds", {{"plain", median(eager_step)}, {"roboimi", median(step)}}},
          {"train_ratio", median_ratio(step, eager_step)},
          {"chunk_seconds", {{"plain", median(eager_chunk)}, {"roboimi", median(chunk)}}},
          {"chunk_ratio", median_ratio(chunk, eager_chunk)}};
}

void print_table(const DiffusionBench& b, const nlohmann::json& result) {
  std::printf("diffusion head 256x8, %ld threads, medians of %ld training and %ld chunk pairs\n",
              b.threads, b.pairs, b.chunks);
  const auto rows = [&](const char* title, const std::string& name) {
    const auto& seconds = result[name + "_seconds"];
    std::printf("%s\n  PyTorch %10.2f ms\n  roboimi %10.2f ms   ratio %.3f\n", title,
                1e3 * seconds["plain"].get<double>(), 1e3 * seconds["roboimi"].get<double>(),
                result[name + "_ratio"].get<double>());
  };
  rows(("training step, dropout 0.3, batch " + std::to_string(b.batch)).c_str(), "train");
  rows(("one action chunk, batch 1, DDIM steps " + std::to_string(b.steps)).c_str(), "chunk");
}

}  // namespace
}  // namespace roboimi

int main(int argc, char** argv) {
  roboimi::DiffusionBench bench;
  return roboimi::run_head_bench(bench, argc, argv, [&] {
    const nlohmann::json result = roboimi::measure(bench);
    roboimi::print_table(bench, result);
    return result;
  });
}
