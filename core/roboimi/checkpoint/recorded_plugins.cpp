#include "roboimi/checkpoint/recorded_plugins.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "roboimi/common/files.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr char kRunRecord[] = "run.json";

// Reads run.json in `folder` (a run's) or two folders above it (a checkpoint's).
std::vector<RecordedPlugin> plugins_recorded_for(const fs::path& folder) {
  for (const fs::path& run : {folder, folder / ".." / ".."}) {
    const fs::path file = run / kRunRecord;
    if (!fs::is_regular_file(file)) continue;
    std::vector<RecordedPlugin> recorded;
    const auto json = nlohmann::json::parse(read_text(file), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("plugins") || !json["plugins"].is_array()) return {};
    for (const auto& plugin : json["plugins"]) {
      const auto text = [&](const char* key) {
        const auto found = plugin.is_object() ? plugin.find(key) : plugin.end();
        return found != plugin.end() && found->is_string() ? found->get<std::string>() : "";
      };
      if (text("sha256").empty()) continue;  // linked into the program
      recorded.push_back({.name = text("name"), .file = text("file"), .sha256 = text("sha256")});
    }
    return recorded;
  }
  return {};
}

}  // namespace

void restrict_to_recorded_plugins(const ConfigNode& config, const fs::path& folder) {
  Registry::instance().restrict_plugins(config, plugins_recorded_for(folder));
}

bool is_configuration_of_run(const fs::path& file) {
  return fs::is_regular_file(file.parent_path() / kRunRecord);
}

}  // namespace roboimi
