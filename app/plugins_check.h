// Judges a plugin file in a child process, where even a crash is only a finding.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace roboimi::app {

// {"file", "verdict": "accepted" | "rejected" | "fatal", "reason", "plugin", "version",
//  "description", "components": [{"kind", "name", "description"}], "output"}
nlohmann::json check_in_child(const std::filesystem::path& file);

// What the child does: loads the file into this process and judges it. It may not return.
nlohmann::json check_in_process(const std::filesystem::path& file);

// The marker before the child's verdict, which a plugin's own output may precede.
inline constexpr char kVerdictMarker[] = "roboimi-verdict ";

}  // namespace roboimi::app
