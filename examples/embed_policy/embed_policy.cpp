// A robot's control loop around a trained policy, in real time. The robot is the environment of the
// policy's own run; in a program of yours its calls (reset, observe, step) are the driver's.
//
//   embed_policy CHECKPOINT [SECONDS [DEADLINE_MS [PLUGIN_DIR ...]]]
#include <algorithm>
#include <chrono>
#include <iostream>
#include <numeric>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/deploy/policy.h"
#include "roboimi/env/environment.h"
#include "roboimi/plugin/registry.h"

using Clock = std::chrono::steady_clock;

static std::int64_t sum(const std::vector<std::int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

static void drive(const std::vector<std::string>& words) {
  roboimi::PolicyOptions options;
  if (words.size() > 2) options.deadline_ms = std::stod(words[2]);
  if (words.size() > 3) options.plugin_dirs.assign(words.begin() + 3, words.end());
  const auto policy = roboimi::load_policy(words[0], options);
  const roboimi::ConfigNode* node = policy->config().find("env");
  if (node == nullptr || node->is_null()) throw roboimi::Error("the run has no environment");
  const auto robot = roboimi::Registry::instance().create_environment(*node, "env");

  const double hz = robot->spec().control_hz;
  const std::chrono::nanoseconds period(static_cast<std::int64_t>(1e9 / hz));
  const auto num_steps =
      static_cast<std::size_t>(hz * (words.size() > 1 ? std::stod(words[1]) : 10));
  std::vector<double> act_ms;
  std::uint64_t episode = 0, overruns = 0;
  auto next = Clock::now();
  for (bool over = true; act_ms.size() < std::max<std::size_t>(num_steps, 1);) {
    if (over) {
      robot->reset(episode, false);
      policy->reset(episode++);
      next = Clock::now();
    }
    const roboimi::PolicyStep step = policy->act(robot->observe(policy->needs_images()));
    const roboimi::StepResult result = robot->step(step.action, false);
    over = result.terminated || result.truncated;
    act_ms.push_back(step.act_ms);
    next += period;
    overruns += Clock::now() > next ? 1 : 0;
    next = std::max(next, Clock::now());  // what was overrun is not made up for
    std::this_thread::sleep_until(next);
  }

  std::ranges::sort(act_ms);
  const auto part = [&](std::size_t percent) {
    return act_ms[(act_ms.size() - 1) * percent / 100];
  };
  const roboimi::PolicyReport report = policy->report();
  std::cout << act_ms.size() << " steps at " << hz << " Hz, " << episode << " episodes, "
            << overruns << " periods overrun\n"
            << "act() in ms: p50 " << part(50) << ", p90 " << part(90) << ", p99 " << part(99)
            << ", max " << part(100) << "\nmissed deadlines " << report.missed_deadlines
            << ", late " << report.late << ", held " << report.held << "\njoints limited: by range "
            << sum(report.limited_by_range) << ", by step " << sum(report.limited_by_step) << "\n";
}

int main(int argc, char** argv) {
  try {
    if (argc < 2) {
      throw roboimi::Error(
          "usage: embed_policy CHECKPOINT [SECONDS [DEADLINE_MS [PLUGIN_DIR ...]]]");
    }
    drive({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "embed_policy: " << roboimi::one_line_message(error) << "\n";
    return 1;
  }
}
