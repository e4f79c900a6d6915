// A benchmark of what rollouts do besides the policy: physics and rendering of sim_transfer.
//
//   build/release/bin/rollout_bench [environments = 8] [rounds = 5] [side = 128] [threads = all]
//
// A round lets every environment take 24 control steps, of which the policy's two observations
// before each plan of eight steps are rendered from three cameras: first one environment after
// another on one thread, then all of them on several threads, in turns, so that other load on the
// machine affects both. The first images of environments are measured with OpenGL objects of their
// own (each on a new thread) and with those that they share.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "bench/bench_main.h"
#include "plugins/mujoco_env/mujoco_env.h"

namespace roboimi {
namespace {

using mujoco_env::MujocoEnv;
using Environments = std::vector<std::unique_ptr<MujocoEnv>>;

constexpr int kSteps = 24, kStepsPerPlan = 8;

double milliseconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Calls task(i) for i below `count` on `threads` threads.
void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& task) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> team;
  for (int t = 0; t < threads; ++t) {
    team.emplace_back([&] {
      at::set_num_threads(1);
      for (std::size_t i = next++; i < count; i = next++) task(i);
    });
  }
  for (std::thread& thread : team) thread.join();
}

Environments make_environments(int count, int side) {
  Environments made;
  for (int i = 0; i < count; ++i) {
    made.push_back(std::make_unique<MujocoEnv>(
        mujoco_env::MujocoEnvOptions{.image_height = side, .image_width = side}));
    made.back()->reset(static_cast<std::uint64_t>(i), false);
  }
  return made;
}

void roll_out(MujocoEnv& environment, std::uint64_t seed) {
  const at::Tensor pose = environment.reset(seed, false).state();
  for (int step = 0; step < kSteps; ++step) {
    environment.observe((step + 1) % kStepsPerPlan <= 1);
    environment.step(pose, false);
  }
}

int run(int count, int rounds, int side, int threads) {
  threads = std::min(threads, count);
  at::set_num_threads(1);
  // First images.
  const auto first_images = [&](bool shared) {
    const Environments environments = make_environments(count, side);
    return milliseconds_of([&] {
      if (shared) {
        in_parallel(environments.size(), 1, [&](auto i) { environments[i]->observe(true); });
        return;
      }
      for (const auto& environment : environments) {
        in_parallel(1, 1, [&](auto) { environment->observe(true); });
      }
    });
  };
  std::vector<double> own, shared, single, several;
  for (int round = 0; round < std::min(rounds, 3); ++round) {
    own.push_back(first_images(false));
    shared.push_back(first_images(true));
  }
  // Physics alone, and three views.
  Environments environments = make_environments(count, side);
  MujocoEnv& one = *environments.front();
  const at::Tensor pose = one.observe(true).state();
  one.reset(0, false);
  const double physics = milliseconds_of([&] {
                           for (int i = 0; i < 100; ++i) one.step(pose, false);
                         }) /
                         100;
  const double views = milliseconds_of([&] {
                         for (int i = 0; i < 20; ++i) one.observe(true);
                       }) /
                       20;
  // Control steps on one thread and on several.
  const auto episodes = [&](int team_size) {
    std::atomic<std::size_t> next = 0;
    std::barrier begin(team_size + 1), end(team_size + 1);
    std::vector<std::jthread> team;
    for (int t = 0; t < team_size; ++t) {
      team.emplace_back([&, t] {
        at::set_num_threads(1);
        environments[static_cast<std::size_t>(t)]->observe(true);  // creates the OpenGL objects
        begin.arrive_and_wait();
        for (std::size_t i = next++; i < environments.size(); i = next++) {
          roll_out(*environments[i], i);
        }
        end.arrive_and_wait();
      });
    }
    begin.arrive_and_wait();
    return milliseconds_of([&] { end.arrive_and_wait(); });
  };
  for (int round = 0; round < rounds; ++round) {
    single.push_back(episodes(1));
    several.push_back(episodes(threads));
  }
  std::vector<double> ratios;
  for (std::size_t i = 0; i < single.size(); ++i) ratios.push_back(single[i] / several[i]);

  const double steps = static_cast<double>(count) * kSteps;
  fmt::print("{} environments, three {}x{} views, {} threads, rendered by {}\n", count, side, side,
             threads, one.renderer_name());
  fmt::print("| | ms |\n|---|---|\n");
  fmt::print("| a control step's physics | {:.3f} |\n| three views | {:.3f} |\n", physics, views);
  fmt::print("| first images of {} environments, OpenGL objects of their own | {:.0f} |\n", count,
             median(own));
  fmt::print("| the same, shared OpenGL objects | {:.0f} |\n", median(shared));
  fmt::print("| a control step with every fourth rendered, one thread | {:.3f} |\n",
             median(single) / steps);
  fmt::print("| the same, {} threads, {:.2f} times as fast | {:.3f} |\n", threads, median(ratios),
             median(several) / steps);
  fmt::print(
      "{{\"bench\": \"rollout\", \"side\": {}, \"threads\": {}, \"renderer\": \"{}\", "
      "\"physics_ms\": {:.4f}, \"views_ms\": {:.4f}, \"first_images_ratio\": {:.2f}, "
      "\"threads_ratio\": {:.2f}}}\n",
      side, threads, one.renderer_name(), physics, views, median(own) / median(shared),
      median(ratios));
  return 0;
}

}  // namespace
}  // namespace roboimi

int main(int argc, char** argv) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return roboimi::bench_main(
      argc, argv, {{"environments", 8}, {"rounds", 5}, {"side", 128}, {"threads", cores}},
      [](const auto& n) { return roboimi::run(n[0], n[1], n[2], n[3]); });
}
