// A benchmark of loading training batches against PyTorch's DataLoader with h5py and lerobot's own
// dataset, in samples per second.
//
//   build/release/bin/loader_bench [rounds = 5] [batches = 8]
//
// The same episodes are stored as hdf5 and as lerobot (H.264). A sample is a window of two
// observations from two cameras of 240x320, and 16 actions; a batch has 64 of them. Measured are
// the batches that a run trains on (prepare_training_data()): frames for a trained ResNet with each
// cache.frames, and cached features of a frozen one. The references run with two workers in another
// process (bench/reference/loader_*.py), and the processes take turns. All begin with empty queues.
//
// Needs .venv (scripts/setup.sh --tests), and lerobot in .venv-lerobot:
//   python3 -m venv .venv-lerobot
//   .venv-lerobot/bin/pip install -r scripts/requirements-lerobot.txt
// torchcodec also needs FFmpeg's shared libraries, with libavdevice (Debian: libavdevice59).
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "bench/bench_main.h"
#include "bench/eager_worker.h"
#include "roboimi/common/memory.h"
#include "roboimi/contract/episode_writer.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/training_data.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEpisodes = 10, kRows = 100, kBatch = 64;
constexpr std::int64_t kHeight = 240, kWidth = 320, kSquare = 48;
// Batches that roboimi loads for each of the reference's, so that short times are measured too.
constexpr std::int64_t kStreamFactor = 1, kFramesFactor = 20, kFeatureFactor = 200;
constexpr int kThreads = 2;

// A square that moves over a fixed background, with some noise of a camera: [kRows, H, W, 3].
at::Tensor moving_scene() {
  const at::Tensor background = at::randint(0, 256, {kHeight / 16, kWidth / 16, 3}, at::kByte)
                                    .repeat_interleave(16, 0)
                                    .repeat_interleave(16, 1);
  const at::Tensor square = at::randint(0, 256, {kSquare, kSquare, 3}, at::kByte);
  const at::Tensor frames = background.repeat({kRows, 1, 1, 1});
  for (std::int64_t i = 0; i < kRows; ++i) {
    const std::int64_t top = i % (kHeight - kSquare), left = 2 * i % (kWidth - kSquare);
    frames[i].slice(0, top, top + kSquare).slice(1, left, left + kSquare).copy_(square);
  }
  return frames.bitwise_or(at::randint(0, 2, frames.sizes(), at::kByte));
}

EpisodeRecord record_episode() {
  const auto walk = [] { return at::randn({kRows, 14}).mul(0.05).cumsum(0); };
  EpisodeRecord record{
      .streams = {vector_stream(kState, 14), rgb_stream("front", {kHeight, kWidth}),
                  rgb_stream("wrist", {kHeight, kWidth})},
      .actions = walk(),
      .control_hz = 20.0};
  record.observations[kState] = walk();
  for (const char* camera : {"front", "wrist"}) record.observations[camera] = moving_scene();
  return record;
}

// Writes the same episodes in both formats.
void write_data(const fs::path& folder) {
  at::manual_seed(1);
  Registry& registry = Registry::instance();
  for (std::int64_t i = 0; i < kEpisodes; ++i) {
    const EpisodeRecord record = record_episode();
    for (const std::string format : {"hdf5", "lerobot"}) {
      const ConfigNode config = parse_yaml("type: " + format + "_episode_writer", "loader_bench");
      const auto writer = registry.create<EpisodeWriter>(config, "writer");
      fs::create_directories(folder / format);
      const fs::path written = folder / "written";
      writer->write(written, record);
      writer->place(written, folder / format, i);
    }
  }
}

// The batches of a training run.
class Batches {
 public:
  Batches(const fs::path& data, const std::string& format, bool frozen, FrameStorage frames,
          std::int64_t batches)
      : batches_(batches * (frozen                            ? kFeatureFactor
                            : frames == FrameStorage::kStream ? kStreamFactor
                                                              : kFramesFactor)) {
    Registry& registry = Registry::instance();
    const ConfigNode dataset = parse_yaml(
        fmt::format("{{type: {}_dataset, path: '{}'}}", format, data.string()), "loader_bench");
    const auto opened = registry.create<Dataset>(dataset, "data");
    // Small networks: only their inputs are measured. A frozen one encodes every frame once.
    const ConfigNode agent = parse_yaml(
        fmt::format(
            "{{type: vla_agent, head: {{type: imf_head, n_emb: 32, n_head: 4, n_layer: 2}}, "
            "backbone: {{type: resnet_backbone, resize_height: 64, resize_width: 64, "
            "frozen: {}}}}}",
            frozen),
        "loader_bench");
    agent_ = registry.create_agent(agent, "agent", opened->spec(), 1);
    data_ = prepare_training_data(
        opened, *agent_, {.folder = data.parent_path() / "cache", .frames = frames},
        {.batch_size = kBatch,
         .seed = 1,
         .data_identity = component_identity(registry, ComponentKind::kDataset, dataset, "data")});
  }

  double samples_per_second() {
    // A jump to other steps empties the queue of batches that were gathered in advance.
    step_ += 10;
    const double seconds = seconds_of([&] {
      for (std::int64_t i = 0; i < batches_; ++i) data_.sampler->batch(step_++);
    });
    // Wait until the queue is full again, so that the next measurement has both cores.
    std::this_thread::sleep_for(std::chrono::duration<double>(4.0 * seconds / batches_));
    return static_cast<double>(batches_ * kBatch) / seconds;
  }

  // Numbers per row of the cached features; 0 for frames.
  std::int64_t feature_size() const {
    return data_.embeddings ? data_.embeddings->values[0].numel() : 0;
  }

 private:
  std::int64_t batches_;
  std::int64_t step_ = 0;
  std::shared_ptr<Agent> agent_;
  TrainingData data_;
};

// One reference, and what is compared with it.
struct Comparison {
  std::string format, reference;
  std::function<double()> reference_rate;
  std::vector<std::pair<std::string, Batches*>> ours;
};

void compare(const Comparison& comparison, int rounds) {
  std::vector<std::vector<double>> ours(comparison.ours.size());
  std::vector<double> theirs;
  for (int round = 0; round <= rounds; ++round) {
    const double reference = comparison.reference_rate();
    if (round > 0) theirs.push_back(reference);  // the first round is a warm-up
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const double rate = comparison.ours[i].second->samples_per_second();
      if (round > 0) ours[i].push_back(rate);
    }
  }
  for (std::size_t i = 0; i < ours.size(); ++i) {
    fmt::print("| {} | {} | {:.0f} | {} | {:.0f} | {:.3g} |\n", comparison.format,
               comparison.ours[i].first, median(ours[i]), comparison.reference, median(theirs),
               median_ratio(ours[i], theirs));
  }
  std::cout << std::flush;
}

int run(int rounds, std::int64_t batches) {
  keep_freed_memory();  // as `roboimi` does
  at::set_num_threads(kThreads);
  Registry::instance().load_search_path(plugin_search_path({}));
  const fs::path folder = fs::temp_directory_path() / fmt::format("loader_bench_{}", ::getpid());
  fs::create_directories(folder);
  write_data(folder);
  const fs::path hdf5 = folder / "hdf5", lerobot = folder / "lerobot";

  // The paths of roboimi.
  Batches mapped(hdf5, "hdf5", false, FrameStorage::kDisk, batches);
  Batches hdf5_features(hdf5, "hdf5", true, FrameStorage::kDisk, batches);
  Batches disk(lerobot, "lerobot", false, FrameStorage::kDisk, batches);
  Batches memory(lerobot, "lerobot", false, FrameStorage::kMemory, batches);
  Batches stream(lerobot, "lerobot", false, FrameStorage::kStream, batches);
  Batches lerobot_features(lerobot, "lerobot", true, FrameStorage::kDisk, batches);

  // The references.
  const std::string size = std::to_string(kBatch), count = std::to_string(batches);
  EagerWorker h5py("loader_h5py.py",
                   {hdf5.string(), size, count, std::to_string(hdf5_features.feature_size())});
  EagerWorker own("loader_lerobot.py", {lerobot.string(), size, count}, ".venv-lerobot");
  const auto rate = [&](EagerWorker& worker, const std::string& word) {
    return [&worker, word, batches] {
      return static_cast<double>(batches * kBatch) / worker.seconds(word);
    };
  };

  fmt::print(
      "{} episodes of {} rows, 2 cameras of {}x{}; batches of {}; {} threads or workers; "
      "medians of {} rounds of {} batches in samples per second\n",
      kEpisodes, kRows, kHeight, kWidth, kBatch, kThreads, rounds, batches);
  fmt::print(
      "| data | roboimi loads | roboimi | reference | reference | ratio |\n"
      "|---|---|---|---|---|---|\n");
  compare({"hdf5", "DataLoader, h5py", rate(h5py, "frames"), {{"frames, mapped", &mapped}}},
          rounds);
  compare({"hdf5",
           "DataLoader, h5py, stored features",
           rate(h5py, "features"),
           {{"cached features", &hdf5_features}}},
          rounds);
  compare({"lerobot",
           "LeRobotDataset, frames",
           rate(own, "frames"),
           {{"frames, disk", &disk},
            {"frames, memory", &memory},
            {"frames, stream", &stream},
            {"cached features", &lerobot_features}}},
          rounds);
  fs::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace roboimi

int main(int argc, char** argv) {
  return roboimi::bench_main(argc, argv, {{"rounds", 5}, {"batches", 8}},
                             [](const auto& n) { return roboimi::run(n[0], n[1]); });
}
