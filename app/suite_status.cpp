// The commands `roboimi suite status`, `fetch` and `report`.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/suite_command.h"
#include "app/suite_plan.h"
#include "app/suite_runs.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/origin.h"
#include "roboimi/train/stop_request.h"
#include "suite/records.h"
#include "suite/report.h"
#include "suite/target.h"

namespace roboimi::app {
namespace {

constexpr std::chrono::seconds kRefreshInterval{3};

// Redraws the table until all runs have ended, or until Ctrl-C.
void follow(const SuiteFile& suite, const std::vector<std::string>& names) {
  const StopRequest stop;
  while (!stop.requested()) {
    const auto reasons = refresh_status(suite);
    const auto rows = chosen_rows(read_status(suite.file.parent_path()), names);
    std::string text = "\033[H\033[2J" + suite.name + "   " + time_now() +
                       "   Ctrl-C quits; the runs continue\n\n" + status_table(rows);
    for (const std::string& reason : reasons) text += reason + "\n";
    std::cout << text << std::flush;
    const bool is_active =
        std::any_of(rows.begin(), rows.end(), [](const RunStatus& row) { return row.is_active(); });
    if (!is_active) return;
    const auto next = std::chrono::steady_clock::now() + kRefreshInterval;
    while (!stop.requested() && std::chrono::steady_clock::now() < next) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
}

}  // namespace

int suite_status(const SuiteArguments& arguments) {
  const SuiteFile suite = read_suite_file(suite_file_of(arguments.suite));
  const bool json = arguments.values["json"].as<bool>();
  if (!json && !arguments.values["once"].as<bool>() && ::isatty(STDOUT_FILENO) != 0) {
    follow(suite, arguments.names);
    return EXIT_SUCCESS;
  }
  for (const std::string& reason : refresh_status(suite)) spdlog::warn("{}", reason);
  const auto rows = chosen_rows(read_status(suite.file.parent_path()), arguments.names);
  if (json) {
    const nlohmann::ordered_json status = {{"suite", suite.name}, {"runs", to_json(rows)}};
    std::cout << json_text(status) << "\n";
  } else if (rows.empty()) {
    spdlog::info("no run has been launched; to launch all: roboimi suite launch {}",
                 arguments.suite);
  } else {
    std::cout << status_table(rows);
  }
  return EXIT_SUCCESS;
}

int suite_fetch(const SuiteArguments& arguments) {
  const SuiteFile suite = read_suite_file(suite_file_of(arguments.suite));
  const auto folder = suite.file.parent_path();
  int failures = 0;
  for (const auto& [name, spec] : suite.targets) {
    if (!std::filesystem::exists(target_folder(folder, name))) continue;
    try {
      make_target(spec, folder)->fetch(arguments.values["checkpoints"].as<bool>());
      std::cout << name << ": " << target_folder(folder, name).string() << "\n";
    } catch (const Error& error) {
      ++failures;
      spdlog::error("target {}: {}", name, one_line_message(error));
    }
  }
  refresh_status(suite);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int suite_report_page(const SuiteArguments& arguments) {
  const SuiteFile suite = read_suite_file(suite_file_of(arguments.suite));
  const auto folder = suite.file.parent_path();
  for (const std::string& reason : refresh_status(suite)) spdlog::warn("{}", reason);
  std::filesystem::path page = folder / "report.html";
  if (arguments.values.count("output") != 0) page = arguments.values["output"].as<std::string>();
  write_text_atomically(page, suite_report(folder));
  std::cout << page.string() << "\n";
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
