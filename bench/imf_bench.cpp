// A benchmark of the IMF head against eager PyTorch: training steps and action chunks, measured in
// alternating pairs.
//
//   build/release/bin/imf_bench [--pairs 10] [--chunks 100] [--threads 2] [--width 384]
//                               [--layers 12] [--batch 64] [--json FILE]
//
// Starts bench/reference/imf_eager.py. In each pair, plain PyTorch, restructured PyTorch and
// roboimi run once, so that other load on the machine affects all of them. Prints medians and
// ratios.
#include "bench/eager_worker.h"
#include "bench/head_bench.h"
#include "plugins/imf_head/imf_head.h"
#include "roboimi/common/bfloat16.h"

namespace roboimi {
namespace {

struct ImfBench : HeadBench {
  ImfBench() : HeadBench("imf_bench", 100) {
    add("width", &width, "n_emb");
    add("layers", &layers, "n_layer");
  }
  std::int64_t width = 384, layers = 12;
};

std::shared_ptr<imf_head::ImfHead> make_head(const ImfBench& bench, bool bfloat16) {
  const SeededConstruction seeded(0);
  return std::make_shared<imf_head::ImfHead>(
      imf_head::ImfOptions{
          .n_emb = bench.width, .n_layer = bench.layers, .infers_in_bfloat16 = bfloat16},
      kBenchSpec);
}

nlohmann::json measure(const ImfBench& bench) {
  // Start both sides.
  EagerWorker eager(
      "imf_eager.py",
      {"--threads", std::to_string(bench.threads), "--width", std::to_string(bench.width),
       "--layers", std::to_string(bench.layers), "--batch", std::to_string(bench.batch)});
  HeadWorker ours(make_head(bench, false), bench.batch);
  const bool has_half = cpu_bfloat16().works;
  if (!has_half) std::cerr << "imf_bench: no bf16 on this CPU: " << cpu_bfloat16().why_not << "\n";
  HeadWorker half(make_head(bench, has_half), bench.batch);
  // Measure training steps, then action chunks.
  std::vector<double> plain, restructured, step, plain_chunk, chunk, half_chunk;
  for (std::int64_t i = -1; i < bench.pairs; ++i) {
    const double a = eager.seconds("plain"), b = eager.seconds("restructured");
    const double c = seconds_of([&] { ours.step(); });
    if (i < 0) continue;  // warm-up
    plain.push_back(a), restructured.push_back(b), step.push_back(c);
  }
  for (std::int64_t i = -3; i < bench.chunks; ++i) {
    const double a = eager.seconds("chunk"), b = seconds_of([&] { ours.chunk(); });
    const double c = has_half ? seconds_of([&] { half.chunk(); }) : 0.0;
    if (i < 0) continue;
    plain_chunk.push_back(a), chunk.push_back(b), half_chunk.push_back(c);
  }
  // Collect medians and ratios.
  nlohmann::json result = {
      {"train_seconds",
       {{"plain", median(plain)},
        {"restructured", median(restructured)},
        {"roboimi", median(step)}}},
      {"train_ratio",
       {{"to_plain", median_ratio(step, plain)},
        {"to_restructured", median_ratio(step, restructured)}}},
      {"chunk_seconds", {{"plain", median(plain_chunk)}, {"roboimi", median(chunk)}}},
      {"chunk_ratio", {{"to_plain", median_ratio(chunk, plain_chunk)}}}};
  if (has_half) {
    result["chunk_seconds"]["roboimi_bf16"] = median(half_chunk);
    result["chunk_ratio"]["bf16_to_plain"] = median_ratio(half_chunk, plain_chunk);
  }
  return result;
}

void print_table(const ImfBench& b, const nlohmann::json& result) {
  std::printf("IMF head %ldx%ld, %ld threads, medians of %ld training and %ld chunk pairs\n",
              b.width, b.layers, b.threads, b.pairs, b.chunks);
  const auto row = [](const char* name, double seconds, double ratio) {
    std::printf("  %-42s %9.2f ms   ratio %.3f\n", name, 1e3 * seconds, ratio);
  };
  const auto& train = result["train_seconds"];
  const auto& chunk = result["chunk_seconds"];
  std::printf("training step, batch %ld\n", b.batch);
  row("PyTorch, plain", train["plain"], 1.0);
  row("PyTorch, restructured", train["restructured"],
      train["restructured"].get<double>() / train["plain"].get<double>());
  row("roboimi (ratio to plain)", train["roboimi"], result["train_ratio"]["to_plain"]);
  row("roboimi (ratio to restructured)", train["roboimi"],
      result["train_ratio"]["to_restructured"]);
  std::printf("one action chunk, batch 1, 1 step\n");
  row("PyTorch, plain", chunk["plain"], 1.0);
  row("roboimi (ratio to plain)", chunk["roboimi"], result["chunk_ratio"]["to_plain"]);
  if (!chunk.contains("roboimi_bf16")) return;
  row("roboimi, bf16 (ratio to plain)", chunk["roboimi_bf16"],
      result["chunk_ratio"]["bf16_to_plain"]);
}

}  // namespace
}  // namespace roboimi

int main(int argc, char** argv) {
  roboimi::ImfBench bench;
  return roboimi::run_head_bench(bench, argc, argv, [&] {
    const nlohmann::json result = roboimi::measure(bench);
    roboimi::print_table(bench, result);
    return result;
  });
}
