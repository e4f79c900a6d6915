#include "app/missing_data.h"

#include <filesystem>
#include <vector>

#include "app/collect_options.h"
#include "app/config_schema.h"
#include "roboimi/common/paths.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCollection = "collect_sim_transfer.yaml";

// The command that writes the folder `data`; empty if there is none.
std::string collecting_command(const fs::path& data) {
  for (const std::string size : {"", "size=small"}) {
    const std::vector<std::string> overrides(size.empty() ? 0 : 1, size);
    try {
      const ConfigNode root = compose_any(kCollection, overrides, {}, {}).root;
      const auto options =
          options_from<CollectionOptions>(parse_options(root, schema_of<CollectionOptions>()));
      if (options.collect.output != data) continue;
      return std::string("roboimi collect --config ") + kCollection + (size.empty() ? "" : " ") +
             size;
    } catch (const Error&) {  // other configs in the search path
    }
  }
  return "";
}

}  // namespace

std::string next_for_missing_data(const Error& error, const ConfigNode& config, bool resumes) {
  const ConfigNode* path = config.find_path("data.path");
  if (path == nullptr || !path->is_scalar() || path->text().empty()) return "";
  const fs::path data = absolute_path(path->text());
  std::error_code ignored;
  const bool is_about_data = error.parts().where.find(data.string()) != std::string::npos;
  if (!is_about_data || fs::exists(data, ignored)) return "";
  if (resumes) return "omit --config: --resume uses the run's own configuration";
  const std::string command = collecting_command(data);
  return command.empty() ? "" : "collect these demonstrations with: " + command;
}

}  // namespace roboimi::app
