// Checks a plugin file in a child process, so that a crash of the plugin is only a result.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace roboimi::app {

struct CheckRequest {
  std::filesystem::path file;
  std::optional<std::string> component;          // one of the file's components; none: all
  std::optional<std::filesystem::path> options;  // with a table `streams`, see check_streams.h
  std::vector<std::string> cameras;              // cameras of the data; empty: r_vis, top, front
  std::vector<std::string> streams;              // other streams of the data, as stream_of() reads
  std::vector<std::string> skip;                 // names of checks
  std::vector<std::filesystem::path> plugin_dirs;  // with the plugins that the component needs
};

// {"file", "verdict": "accepted" | "rejected" | "failed" | "fatal", "reason", "plugin", "version",
//  "description", "components": [{"kind", "name", "description", "options", "checks": [{"check",
//  "reason", "status", "message", "seconds"}]}], "output"}. "failed": it loads, and a check failed.
nlohmann::json check_in_child(const CheckRequest& request);

// The work of the child: loads the file into this process, runs the checks of its components and
// prints the verdict to standard output. May not return.
void check_in_process(const CheckRequest& request);

}  // namespace roboimi::app
