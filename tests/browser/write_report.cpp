// A program that writes a suite's report with every kind of content, for the test in a browser:
//
//   write_report FOLDER     writes records and run folders below FOLDER, then FOLDER/report.html
#include <ATen/ATen.h>

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "roboimi/common/files.h"
#include "roboimi/io/image.h"
#include "roboimi/io/video.h"
#include "suite/records.h"
#include "suite/report.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kGroups[] = {
    "n_emb_384", "n_emb_256_with_a_name_as_long_as_those_that_a_grid_of_three_keys_makes",
    "diffusion_head"};
constexpr int kSeeds = 3;

std::string metrics(int group, int seed) {
  std::string lines;
  for (int step = 50; step <= 20'000; step += 50) {
    const double x = step / 20'000.0;
    const double noise = 0.1 * std::sin(step * (1.7 + seed));
    Json row = {{"step", step},
                {"train/loss", std::exp(-3 * x - 0.4 * group) * (1 + 0.3 * seed + noise)},
                {"train/data_ms", 0.4},
                {"train/steps_per_second", 20.0 + group + noise}};
    if (step % 4000 == 0)
      row["rollout/success_rate"] = std::min(1.0, x * (0.6 + 0.2 * group) * (1 - 0.1 * seed));
    lines += row.dump() + "\n";
  }
  return lines;
}

// A disc that moves over a gradient, as test content for images and videos.
at::Tensor frame(int at) {
  const at::Tensor rows = at::arange(240).view({240, 1}).expand({240, 320});
  const at::Tensor columns = at::arange(320).view({1, 320}).expand({240, 320});
  const at::Tensor disc = (rows - 120).square() + (columns - 20 - 8 * at).square() < 900;
  const at::Tensor red = (columns * 255 / 320).masked_fill(disc, 230);
  return at::stack({red, rows * 255 / 240, at::full_like(red, 160)}, 2).to(at::kByte);
}

void write_rollouts(const fs::path& folder, int group, int seed) {
  Json episodes = Json::array();
  for (int i = 0; i < 10; ++i) {
    const bool success = i < 3 + 2 * group + seed % 2;
    episodes.push_back({{"seed", 500 + i},
                        {"success", success},
                        {"stage_name", success ? "left gripper holds the box alone" : "nothing"}});
  }
  const Json summary = {{"episodes", episodes},
                        {"mean_highest_reward", 2.5 + 0.5 * group},
                        {"timings",
                         {{"obs_read_ms", 3.1},
                          {"preprocess_ms", 0.4},
                          {"inference_ms", 7.25},
                          {"env_step_ms", 2.2},
                          {"loop_total_ms", 13.0}}},
                        {"plans", {{"mean_ms", 41.5}}}};
  write_text_atomically(folder / "summary.json", summary.dump());
  if (seed > 0) return;
  write_png(folder / "trajectory_000.png", frame(10));
  write_png(folder / "trajectory_009.png", frame(15));
  VideoWriter video(folder / "episode_000.mp4", {.height = 240, .width = 320}, 20.0);
  for (int at = 0; at < 20; ++at) video.add(frame(at));
  video.close();
}

Json launch() {
  return {{"time", "2026-01-31T12:00:00Z"},
          {"host", "machine"},
          {"version", "1.0.0"},
          {"libtorch", "2.5.1"},
          {"commit", "0123456789abcdef0123456789abcdef01234567, with changes"}};
}

Json config(const std::string& name, int group) {
  return {{"name", name},
          {"agent",
           {{"head", {{"type", group == 2 ? "diffusion" : "imf"}, {"n_emb", 384 - 128 * group}}},
            {"backbone", {{"checkpoint", "/data/checkpoints/lewm_" + std::to_string(group)}}}}},
          {"train", {{"max_steps", 20'000}}}};
}

void write(const fs::path& suite) {
  Json runs = Json::array();
  std::vector<RunStatus> rows;
  for (int seed = 0; seed < kSeeds; ++seed) {
    for (int group = 0; group < 3; ++group) {
      const std::string name = kGroups[group] + std::string("_seed") + std::to_string(seed);
      const fs::path run = suite / "work/here/jobs" / name / "runs" / ("20260131_120000_" + name);
      write_text_atomically(run / "metrics.jsonl", metrics(group, seed));
      write_rollouts(run / "rollouts/step_00020000", group, seed);
      runs.push_back({{"name", name},
                      {"group", kGroups[group]},
                      {"target", "here"},
                      {"seed", seed},
                      {"config", config(name, group)}});
      RunStatus row{.name = name, .target = "here", .state = RunState::kFinished};
      row.slot = "gpu " + std::to_string(group);
      row.step = row.max_steps = 20'000;
      row.loss = 0.0125;
      row.last_update = "2026-01-31T12:34:56Z";
      rows.push_back(row);
    }
  }
  // One row of each state, and text that must be escaped in HTML.
  constexpr RunState kOthers[] = {RunState::kFailed, RunState::kLost,  RunState::kRunning,
                                  RunState::kQueued, RunState::kSmoke, RunState::kStopped};
  for (std::size_t i = 0; i < std::size(kOthers); ++i) rows[i].state = kOthers[i];
  rows[0].text =
      "exit status 1 at step 1000: roboimi run: <script>document.title = 'pwned'</script> "
      "/a/path/without/any/space/in/it/that/is/longer/than/a/telephone/is/wide/model.safetensors";
  change_manifest(suite, [&](Json& manifest) {
    manifest = {
        {"suite", "2026-01-31 <b>wide</b> & \"quoted\""}, {"launches", {launch()}}, {"runs", runs}};
  });
  update_records(suite, "here", rows);
  write_text_atomically(suite / "report.html", suite_report(suite));
}

}  // namespace
}  // namespace roboimi

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw std::runtime_error("usage: write_report FOLDER");
    roboimi::write(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "write_report: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
