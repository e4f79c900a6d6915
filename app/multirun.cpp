#include "app/multirun.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>

#include "roboimi/common/error.h"
#include "roboimi/config/compose.h"
#include "roboimi/train/stop_request.h"

namespace roboimi::app {
namespace {

constexpr std::size_t kLongestPart = 40, kLongestSuffix = 120;

// "train.learning_rate=1e-4" -> "_learning_rate1e-4", "agent/backbone=resnet18" ->
// "_backbone_resnet18"; empty for the key `name`.
std::string name_part(const std::string& override_text) {
  const std::size_t equals = override_text.find('=');
  const std::string path = override_text.substr(0, equals);
  const std::string key = path.substr(path.find_last_of("./+") + 1);
  if (key == "name") return "";
  std::string value = override_text.substr(equals + 1, kLongestPart);
  std::replace_if(
      value.begin(), value.end(),
      [](unsigned char letter) {
        return std::isalnum(letter) == 0 && letter != '.' && letter != '-' && letter != '+';
      },
      '-');
  const bool is_number = !value.empty() && std::isdigit(static_cast<unsigned char>(value[0])) != 0;
  return "_" + key + (is_number ? "" : "_") + value;
}

}  // namespace

std::vector<SweepJob> sweep_jobs(const std::vector<std::string>& overrides) {
  std::vector<SweepJob> jobs;
  for (auto& combination : expand_sweep(overrides)) {
    SweepJob job{.overrides = std::move(combination), .suffix = {}};
    // An override that differs from the command's is one choice of several.
    for (std::size_t i = 0; i < overrides.size(); ++i) {
      if (job.overrides[i] != overrides[i]) job.suffix += name_part(job.overrides[i]);
    }
    job.suffix.resize(std::min(job.suffix.size(), kLongestSuffix));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

int run_jobs(const std::vector<SweepJob>& jobs,
             const std::function<int(const SweepJob&)>& run_one) {
  int failures = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::string text = fmt::format(" {}", fmt::join(jobs[i].overrides, " "));
    spdlog::info("run {} of {}:{}", i + 1, jobs.size(), text);
    try {
      const int status = run_one(jobs[i]);
      if (status == kInterruptedStatus) return status;
      failures += status == EXIT_SUCCESS ? 0 : 1;
    } catch (const std::exception& error) {
      ++failures;
      const std::string line = "roboimi run:" + text + ": " + one_line_message(error) + "\n";
      std::cerr << line << std::flush;
    }
  }
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace roboimi::app
