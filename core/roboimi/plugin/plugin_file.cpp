#include "roboimi/plugin/plugin_file.h"

#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/config/scalar.h"

namespace roboimi {

namespace fs = std::filesystem;

fs::path resolve_plugin_file(const ConfigNode& component) {
  const ConfigNode* value = component.is_map() ? component.find("plugin") : nullptr;
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_scalar()) {
    throw Error({.what = "the value of 'plugin' is not a path",
                 .where = value->location().to_string(),
                 .expected = "the path of a library",
                 .found = value->is_map() ? "a table" : "a list"});
  }
  const std::string text = config::unescape_references(value->text());
  if (text.empty()) return {};
  const fs::path given = absolute_path(text);
  std::error_code ignored;
  if (fs::path(expand_home(text)).is_absolute() || fs::exists(given, ignored)) return given;
  const fs::path beside = absolute_path(fs::path(value->location().file).parent_path() / text);
  return fs::exists(beside, ignored) ? beside : given;
}

}  // namespace roboimi
