#include "app/data_source.h"

#include <string_view>

#include "app/config_argument.h"
#include "app/data_format.h"
#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"
#include "roboimi/contract/leaves_out.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;

constexpr const char* kWhere = "command line";
constexpr const char* kUnreadable = "unreadable";  // an option of dataset components

ConfigNode plain_value(const std::string& text) {
  return ConfigNode::scalar(text, {.file = kWhere}, /*quoted=*/true);
}

// A list, a table or a quoted string is YAML; anything else is the scalar as written.
ConfigNode value_of_override(const std::string& text) {
  if (text.empty() || text == "null") return {};
  if (std::string_view("[{\"'").find(text.front()) != std::string_view::npos) {
    return parse_yaml(text, kWhere);
  }
  return ConfigNode::scalar(text, {.file = kWhere});
}

// The path of a file or folder without "." and "..", for errors and recorded settings. A link may
// lead elsewhere than the text says: then, and for anything but a file, the path as it is.
std::filesystem::path plain_path(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path plain = std::filesystem::absolute(path, error).lexically_normal();
  if (!plain.has_filename()) plain = plain.parent_path();
  return std::filesystem::equivalent(plain, path, error) ? plain : path;
}

// Opens the dataset without the parts that cannot be read, and notes the reasons.
void open_readable_parts(Registry& registry, DataSource& source) {
  ConfigNode lenient = source.config;
  lenient.set(kUnreadable, plain_value("skip"));
  try {
    source.dataset = registry.create<Dataset>(lenient, "data");
    if (const auto* partial = dynamic_cast<const LeavesOut*>(source.dataset.get())) {
      source.unreadable = partial->left_out();
      return;
    }
  } catch (const Error&) {
    // Nothing is left, or the parts are not the cause: the error without the option says more.
  }
  try {
    source.dataset = registry.create<Dataset>(source.config, "data");
  } catch (const Error& error) {
    if (source.dataset == nullptr) throw;
    source.unreadable = {one_line_message(error)};
  }
}

}  // namespace

void add_data_options(po::options_description& options) {
  options.add_options()("type", po::value<std::string>()->value_name("NAME"),
                        "dataset component that reads the data; default: detected from the files")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")(
      "json", po::bool_switch(), "print the result as JSON")("help,h", "print this help");
}

std::vector<std::string> take_paths(std::vector<std::string>& words, std::size_t least,
                                    std::size_t most, const std::string& usage) {
  // A name with '=' is a path if it exists.
  const auto is_path = [](const std::string& word) {
    std::error_code error;
    return !is_override(word) || std::filesystem::exists(word, error);
  };
  std::vector<std::string> paths, others;
  for (const std::string& word : words) {
    if (is_path(word)) {
      paths.push_back(expand_home(word));
    } else {
      others.push_back(word);
    }
  }
  words = std::move(others);
  if (paths.size() >= least && paths.size() <= most) return paths;
  throw Error({.what = paths.size() < least
                           ? "a path is missing"
                           : "unexpected argument '" + printable(paths[most]) + "'",
               .where = kWhere,
               .expected = usage,
               .next = "see --help"});
}

void apply_data_overrides(ConfigNode& node, const std::string& prefix,
                          const std::vector<std::string>& overrides) {
  for (const std::string& word : overrides) {
    const std::size_t equals = word.find('=');
    const bool is_ours =
        word.starts_with(prefix + ".") && equals != std::string::npos && equals > prefix.size() + 1;
    if (!is_ours) {
      throw Error({.what = "unexpected argument '" + printable(word) + "'",
                   .where = kWhere,
                   .expected = prefix + ".KEY=VALUE",
                   .next = "see --help"});
    }
    const std::string key = word.substr(prefix.size() + 1, equals - prefix.size() - 1);
    node.set_path(key, value_of_override(word.substr(equals + 1)));
  }
}

DataSource open_data(const std::filesystem::path& path, const po::variables_map& values,
                     const std::vector<std::string>& overrides, UnreadableParts parts) {
  Registry& registry = Registry::instance();
  registry.load_search_path(paths_of(values, "plugin-path"));
  DataSource source{.path = path, .config = ConfigNode::map({.file = kWhere})};
  // The component.
  ConfigNode given = ConfigNode::map({.file = kWhere});
  apply_data_overrides(given, "data", overrides);
  const ConfigNode* type = given.find("type");
  if (values.count("type") != 0) {
    source.type = values["type"].as<std::string>();
  } else if (type != nullptr) {
    source.type = type->text();
  } else if (given.find("plugin") == nullptr) {
    const DetectedData found = detect_data(path);
    source.type = found.component;
    source.path = found.path;
  }
  if (!source.type.empty()) source.config.set("type", plain_value(source.type));
  // Its options.
  source.config.set("path", plain_value(plain_path(source.path).string()));
  for (const auto& [key, value] : given.entries()) {
    if (key != "type") source.config.set(key, value);
  }
  const ComponentInfo& component =
      registry.selected(ComponentKind::kDataset, source.config, "data");
  source.type = component.name;
  const bool may_leave_out = parts == UnreadableParts::kLeaveOut &&
                             component.schema.find(kUnreadable) != nullptr &&
                             source.config.find(kUnreadable) == nullptr;
  if (may_leave_out) {
    open_readable_parts(registry, source);
  } else {
    source.dataset = registry.create<Dataset>(source.config, "data");
  }
  return source;
}

}  // namespace roboimi::app
