// The IMF head beside eager PyTorch: training steps and action chunks in alternated pairs.
//
//   build/release/bin/imf_bench [--pairs 10] [--chunks 100] [--threads 2] [--width 384] [--layers
//   12]
//                               [--batch 64] [--json FILE]
//
// Starts bench/reference/imf_eager.py, then for each pair times plain, restructured and roboimi
// once, so that whatever else the machine does falls on all of them. Prints medians and ratios.
#include <ATen/Parallel.h>

#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/eager_worker.h"
#include "plugins/imf_head/imf_head.h"
#include "roboimi/common/memory.h"
#include "roboimi/common/random.h"
#include "roboimi/train/flat_parameters.h"
#include "roboimi/train/optimizer.h"

namespace roboimi {
namespace {

struct Sizes {
  std::int64_t width, layers, batch, threads, pairs, chunks;
};

// A training step and a chunk as the trainer and the agent run them.
class RoboimiWorker {
 public:
  explicit RoboimiWorker(const Sizes& sizes)
      : head_(make_head(sizes, false)),
        half_head_(make_head(sizes, true)),
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

  void chunk() { sample(*head_); }
  void chunk_in_bfloat16() { sample(*half_head_); }

 private:
  void sample(imf_head::ImfHead& head) {
    at::NoGradGuard no_grad;
    head.sample(cond_.narrow(0, 0, 1), generator_);
  }

  static std::shared_ptr<imf_head::ImfHead> make_head(const Sizes& sizes, bool bfloat16) {
    const HeadSpec spec{
        .action_dim = 16, .pred_horizon = 16, .obs_horizon = 2, .per_step_cond_dim = 208};
    const SeededConstruction seeded(0);
    return std::make_shared<imf_head::ImfHead>(
        imf_head::ImfOptions{
            .n_emb = sizes.width, .n_layer = sizes.layers, .infers_in_bfloat16 = bfloat16},
        spec);
  }

  std::shared_ptr<imf_head::ImfHead> head_, half_head_;
  FlatParameters flat_;
  AdamW optimizer_;
  at::Generator generator_;
  at::Tensor actions_, cond_, is_pad_;
};

nlohmann::json measure(const Sizes& sizes) {
  EagerWorker eager(
      "imf_eager.py",
      {"--threads", std::to_string(sizes.threads), "--width", std::to_string(sizes.width),
       "--layers", std::to_string(sizes.layers), "--batch", std::to_string(sizes.batch)});
  RoboimiWorker ours(sizes);
  std::vector<double> plain, restructured, step, plain_chunk, chunk, half_chunk;
  for (std::int64_t i = -1; i < sizes.pairs; ++i) {
    const double a = eager.seconds("plain"), b = eager.seconds("restructured");
    const double c = seconds_of([&] { ours.step(); });
    if (i < 0) continue;  // warm-up
    plain.push_back(a), restructured.push_back(b), step.push_back(c);
  }
  for (std::int64_t i = -3; i < sizes.chunks; ++i) {
    const double a = eager.seconds("chunk"), b = seconds_of([&] { ours.chunk(); });
    const double c = seconds_of([&] { ours.chunk_in_bfloat16(); });
    if (i < 0) continue;
    plain_chunk.push_back(a), chunk.push_back(b), half_chunk.push_back(c);
  }
  return {{"train_seconds",
           {{"plain", median(plain)},
            {"restructured", median(restructured)},
            {"roboimi", median(step)}}},
          {"train_ratio",
           {{"to_plain", median_ratio(step, plain)},
            {"to_restructured", median_ratio(step, restructured)}}},
          {"chunk_seconds",
           {{"plain", median(plain_chunk)},
            {"roboimi", median(chunk)},
            {"roboimi_bf16", median(half_chunk)}}},
          {"chunk_ratio",
           {{"to_plain", median_ratio(chunk, plain_chunk)},
            {"bf16_to_plain", median_ratio(half_chunk, plain_chunk)}}}};
}

void print_table(const Sizes& s, const nlohmann::json& result) {
  std::printf("IMF head %ldx%ld, %ld threads, medians of %ld training and %ld chunk pairs\n",
              s.width, s.layers, s.threads, s.pairs, s.chunks);
  const auto row = [](const char* name, double seconds, double ratio) {
    std::printf("  %-42s %9.2f ms   ratio %.3f\n", name, 1e3 * seconds, ratio);
  };
  const auto& train = result["train_seconds"];
  const auto& chunk = result["chunk_seconds"];
  std::printf("training step, batch %ld\n", s.batch);
  row("PyTorch, plain", train["plain"], 1.0);
  row("PyTorch, restructured", train["restructured"],
      train["restructured"].get<double>() / train["plain"].get<double>());
  row("roboimi (ratio to plain)", train["roboimi"], result["train_ratio"]["to_plain"]);
  row("roboimi (ratio to restructured)", train["roboimi"],
      result["train_ratio"]["to_restructured"]);
  std::printf("one action chunk, batch 1, 1 step\n");
  row("PyTorch, plain", chunk["plain"], 1.0);
  row("roboimi (ratio to plain)", chunk["roboimi"], result["chunk_ratio"]["to_plain"]);
  row("roboimi, bf16 (ratio to plain)", chunk["roboimi_bf16"],
      result["chunk_ratio"]["bf16_to_plain"]);
}

int run(int argc, char** argv) {
  namespace po = boost::program_options;
  Sizes s{};
  std::string json_file;
  po::options_description options("imf_bench");
  const auto size = [](std::int64_t& place, std::int64_t value) {
    return po::value(&place)->default_value(value);
  };
  options.add_options()("help", "this text")("pairs", size(s.pairs, 10), "training steps of each")(
      "chunks", size(s.chunks, 100), "action chunks of each")("threads", size(s.threads, 2), "")(
      "width", size(s.width, 384), "n_emb")("layers", size(s.layers, 12), "n_layer")(
      "batch", size(s.batch, 64), "")("json", po::value(&json_file), "also write the numbers here");
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
    std::cerr << "imf_bench: " << error.what() << "\n";
    return 1;
  }
}
