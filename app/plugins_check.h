// Judges a plugin file in a child process, where even a crash is only a finding.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace roboimi::app {

struct CheckRequest {
  std::filesystem::path file;
  std::optional<std::string> component;  // one of the file's; none: all
  std::optional<std::filesystem::path> options;
  std::vector<std::string> cameras;  // that the data is to have; empty: r_vis, top, front
  std::vector<std::string> skip;     // names of checks
  std::vector<std::filesystem::path> plugin_dirs;  // of what the component is made of
};

// {"file", "verdict": "accepted" | "rejected" | "failed" | "fatal", "reason", "plugin", "version",
//  "description", "components": [{"kind", "name", "description", "options", "checks": [{"check",
//  "reason", "status", "message", "seconds"}]}], "output"}. "failed": it loads, and a check failed.
nlohmann::json check_in_child(const CheckRequest& request);

// What the child does: loads the file into this process, runs the checks of its components and
// tells the verdict on standard output. It may not return.
void check_in_process(const CheckRequest& request);

}  // namespace roboimi::app
