// A benchmark of the video reader against PyAV, in milliseconds per 640x480 frame.
//
//   build/release/bin/video_bench [rounds = 5]
//
// Needs PyAV in .venv-references (scripts/test.sh --references). It runs in another process
// (bench/reference/video_pyav.py), and the two take turns, so that other load on the machine
// affects both. One thread each, all frames in order, then 100 single frames in random order; the
// videos are LeRobot's (a keyframe every 2 frames) and one with a keyframe every 50 frames.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "bench/bench_main.h"
#include "bench/eager_worker.h"
#include "roboimi/common/memory.h"
#include "roboimi/io/video.h"
#include "roboimi/io/video_reader.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr int kFrames = 200;
constexpr int kPicks = 100;
constexpr std::int64_t kHeight = 480, kWidth = 640;

// A scene that moves over a fixed background, with some noise, like that of a camera.
void write_video(const fs::path& file, VideoEncoding encoding) {
  at::manual_seed(1);
  const at::Tensor background = at::randint(0, 256, {kHeight / 16, kWidth / 16, 3}, at::kByte)
                                    .repeat_interleave(16, 0)
                                    .repeat_interleave(16, 1);
  const at::Tensor object = at::randint(0, 256, {96, 96, 3}, at::kByte);
  VideoWriter writer(file, {.height = kHeight, .width = kWidth}, 50.0, encoding);
  for (int i = 0; i < kFrames; ++i) {
    at::Tensor frame = background.clone();
    frame.slice(0, 150 + i % 100, 246 + i % 100).slice(1, 2 * i, 2 * i + 96).copy_(object);
    frame.add_(at::randint(0, 4, frame.sizes(), at::kByte).bitwise_and_(1));
    writer.add(frame);
  }
  writer.close();
}

// The frames that both read in random order.
std::vector<std::int64_t> picks() {
  std::mt19937 generator(3);
  std::vector<std::int64_t> result;
  for (int i = 0; i < kPicks; ++i) result.push_back(generator() % kFrames);
  return result;
}

void measure(const fs::path& folder, const std::string& name, VideoEncoding encoding, int rounds) {
  const fs::path file = folder / (name + ".mp4");
  write_video(file, encoding);
  std::string list;
  for (const std::int64_t pick : picks()) {
    list += (list.empty() ? "" : ",") + std::to_string(pick);
  }
  EagerWorker pyav("video_pyav.py", {file.string(), list}, ".venv-references");
  VideoReader video(file);
  const double opening = seconds_of([&] { VideoReader again(file); });
  for (const std::string word : {"sequential", "random"}) {
    const auto read = [&] {
      if (word == "sequential") {
        for (std::int64_t i = 0; i < kFrames; ++i) video.read(i, 1);
      } else {
        for (const std::int64_t pick : picks()) video.read(pick, 1);
      }
    };
    read();  // a warm-up
    pyav.seconds(word);
    std::vector<double> ours, theirs;
    for (int i = 0; i < rounds; ++i) {
      theirs.push_back(pyav.seconds(word));
      ours.push_back(seconds_of(read));
    }
    const double per_frame = 1e3 / (word == "sequential" ? kFrames : kPicks);
    fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} |\n", name, word, per_frame * median(ours),
               per_frame * median(theirs), median_ratio(ours, theirs));
  }
  fmt::print("{}: opened and indexed in {:.1f} ms\n", name, 1e3 * opening);
}

int run(int rounds) {
  keep_freed_memory();  // as `roboimi` does
  const fs::path folder = fs::temp_directory_path() / fmt::format("video_bench_{}", ::getpid());
  fs::create_directories(folder);
  fmt::print("{} frames of 640x480; medians of {} rounds in ms per frame; one thread\n", kFrames,
             rounds);
  fmt::print("| video | order | roboimi | PyAV | ratio |\n|---|---|---|---|---|\n");
  VideoEncoding sparse = kRandomAccessH264;
  sparse.keyframe_interval = 50;
  measure(folder, "H.264 g=2", kRandomAccessH264, rounds);
  measure(folder, "AV1 g=2", kRandomAccessAv1, rounds);
  measure(folder, "H.264 g=50", sparse, rounds);
  fs::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace roboimi

int main(int argc, char** argv) {
  return roboimi::bench_main(argc, argv, {{"rounds", 5}},
                             [](const auto& n) { return roboimi::run(n[0]); });
}
