// A benchmark of the frozen LEWM encoder against the transformers library, in frames per second.
//
//   build/release/bin/encode_bench [frames = 64] [rounds = 5] [batch = 8]
//
// A frame consists of three 256x256 views, which are joined, normalized, resized to 224x224,
// encoded and projected. The reference (bench/reference/encode_transformers.py) runs in another
// process, and the two take turns, so that other load on the machine affects both. The weights are
// random, because speed does not depend on them.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/nn/module.h>
#include <torch/utils.h>

#include <functional>
#include <iostream>

#include "bench/bench_main.h"
#include "bench/eager_worker.h"
#include "modules/view_fusion/view_fusion.h"
#include "modules/vit/vit_inference.h"
#include "roboimi/common/bfloat16.h"
#include "roboimi/common/memory.h"

namespace roboimi {
namespace {

constexpr int kThreads = 2;

struct Timing {
  std::string name;
  std::function<double()> round;
  std::vector<double> seconds;

  double best() const { return *std::min_element(seconds.begin(), seconds.end()); }
};

int run(int frames, int rounds, int batch) {
  // The model and the views.
  keep_freed_memory();  // as `roboimi` does
  at::set_num_threads(kThreads);
  torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  vit::VitEncoder encoder(vit::VitOptions{});
  vit::MlpProjector projector(192, 2048, 192);
  encoder->eval();
  projector->eval();
  std::vector<at::Tensor> views;
  for (int i = 0; i < 3; ++i)
    views.push_back(at::randint(0, 256, {frames, 256, 256, 3}, at::kByte));
  // The encoders to compare.
  auto ours = [&](at::ScalarType precision) {
    return [&, inference = std::make_shared<vit::VitInference>(encoder, projector, precision)] {
      return seconds_of([&] {
        for (int start = 0; start < frames; start += batch) {
          std::vector<at::Tensor> chunk;
          for (const at::Tensor& view : views) chunk.push_back(view.slice(0, start, start + batch));
          inference->forward(view_fusion::fuse_views(chunk, view_fusion::FusionOptions{}));
        }
      });
    };
  };
  EagerWorker reference("encode_transformers.py",
                        {std::to_string(frames), std::to_string(batch), std::to_string(kThreads)});
  std::vector<Timing> timings = {
      {"transformers eager fp32", [&] { return reference.seconds("round"); }, {}},
      {"roboimi fp32", ours(at::kFloat), {}}};
  if (cpu_bfloat16().works) {
    timings.push_back({"roboimi bf16", ours(at::kBFloat16), {}});
  } else {
    std::cerr << "encode_bench: no bf16 on this CPU: " << cpu_bfloat16().why_not << "\n";
  }
  // Measure in turns, after a warm-up.
  for (Timing& timing : timings) timing.round();
  for (int i = 0; i < rounds; ++i) {
    for (Timing& timing : timings) timing.seconds.push_back(timing.round());
  }
  // Print a table and a line of JSON.
  const double base = timings[0].best();
  std::string json;
  fmt::print("{} frames, batches of {}, {} threads, best of {} rounds\n", frames, batch, kThreads,
             rounds);
  fmt::print("| encoder | frames/s | times transformers |\n|---|---|---|\n");
  for (const Timing& timing : timings) {
    fmt::print("| {} | {:.1f} | {:.2f} |\n", timing.name, frames / timing.best(),
               base / timing.best());
    json += fmt::format("{}\"{}\": {:.3f}", json.empty() ? "" : ", ", timing.name,
                        frames / timing.best());
  }
  fmt::print("{{\"bench\": \"encode\", \"batch\": {}, \"frames_per_second\": {{{}}}}}\n", batch,
             json);
  return 0;
}

}  // namespace
}  // namespace roboimi

int main(int argc, char** argv) {
  return roboimi::bench_main(argc, argv, {{"frames", 64}, {"rounds", 5}, {"batch", 8}},
                             [](const auto& n) { return roboimi::run(n[0], n[1], n[2]); });
}
