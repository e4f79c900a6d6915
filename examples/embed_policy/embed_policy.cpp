// A real-time control loop with a trained policy. The "robot" is the simulator that the policy was
// trained for.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <numeric>
#include <string_view>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/contract/environment.h"
#include "roboimi/deploy/policy.h"
#include "roboimi/plugin/registry.h"

using Clock = std::chrono::steady_clock;

static void drive(const std::string& checkpoint, double seconds, std::optional<double> deadline) {
  const auto policy = roboimi::load_policy(checkpoint, {.deadline_ms = deadline});
  const roboimi::ConfigNode* node = policy->config().find("env");
  if (node == nullptr || node->is_null()) throw roboimi::Error("the run has no environment");
  const auto robot = roboimi::Registry::instance().create<roboimi::Environment>(*node, "env");
  const double hz = robot->spec().control_hz;
  const auto period = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / hz));
  // The first chunk takes longer than later ones, so one is computed before the measurement. Its
  // command is not sent.
  robot->reset(0, false);
  policy->reset(0, roboimi::Policy::kUnknownCommand);
  policy->act(robot->observe(policy->needs_images()));
  std::vector<double> act_ms(std::max<std::size_t>(1, static_cast<std::size_t>(hz * seconds)));
  std::uint64_t episodes = 0, overruns = 0;
  Clock::time_point next;
  for (bool over = true; double& ms : act_ms) {
    if (over) {
      robot->reset(episodes, false);
      // The simulator does not report its current command. If your robot does, pass it as
      // policy->reset(seed, robot.commanded()): the step to the first action is then limited too.
      policy->reset(episodes++, roboimi::Policy::kUnknownCommand);
      next = Clock::now();
    }
    const roboimi::PolicyStep step = policy->act(robot->observe(policy->needs_images()));
    const roboimi::StepResult result = robot->step(step.action, false);
    over = result.terminated || result.truncated;
    ms = step.act_ms;
    next += period;
    overruns += Clock::now() > next ? 1 : 0;
    next = std::max(next, Clock::now());  // do not catch up after an overrun
    std::this_thread::sleep_until(next);
  }
  std::ranges::sort(act_ms);
  const roboimi::PolicyReport report = policy->report();
  const auto sum = [](const auto& joints) { return std::reduce(joints.begin(), joints.end()); };
  std::cout << act_ms.size() << " steps at " << hz << " Hz, " << episodes << " episodes, "
            << overruns << " periods overrun\nact() in ms:";
  for (const std::size_t percent : {50, 90, 99, 100}) {
    std::cout << " p" << percent << " " << act_ms[(act_ms.size() - 1) * percent / 100];
  }
  std::cout << "\nmissed deadlines " << report.missed_deadlines << ", late " << report.late
            << ", held " << report.held << "\njoints limited: by range "
            << sum(report.limited_by_range) << ", by step " << sum(report.limited_by_step) << "\n";
}

// Parses the whole of `text` as a positive number. Throws Error otherwise.
static double number_from(const char* name, std::string_view text) {
  double number = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number > 0) return number;
  throw roboimi::Error({.what = std::string(name) + " is not a positive number",
                        .expected = "such as 2 or 12.5",
                        .found = "'" + std::string(text) + "'",
                        .next = "usage: embed_policy CHECKPOINT [SECONDS [DEADLINE_MS]]"});
}

int main(int argc, char** argv) try {
  if (argc < 2) throw roboimi::Error("usage: embed_policy CHECKPOINT [SECONDS [DEADLINE_MS]]");
  drive(argv[1], argc > 2 ? number_from("SECONDS", argv[2]) : 10.0,
        argc > 3 ? std::optional(number_from("DEADLINE_MS", argv[3])) : std::nullopt);
} catch (const std::exception& error) {
  std::cerr << "embed_policy: " << roboimi::one_line_message(error) << "\n";
  return 1;
}
