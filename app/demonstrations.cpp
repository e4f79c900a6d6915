#include "app/demonstrations.h"

#include "app/data_format.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;

ConfigNode quoted_scalar(const std::string& text) {
  return ConfigNode::scalar(text, {.file = "command line"}, /*quoted=*/true);
}

// The component that reads the files at `data`; empty if no format matches.
DetectedData detected_or_none(const fs::path& data) {
  try {
    return detect_data(data);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

std::optional<fs::path> other_data(const boost::program_options::variables_map& values) {
  if (values.count("data") == 0) return std::nullopt;
  return values["data"].as<std::string>();
}

std::shared_ptr<const Dataset> open_demonstrations(const LoadedRun& run,
                                                   const std::optional<fs::path>& other) {
  try {
    return run.open_data(other);
  } catch (const Error&) {
    // Another format: the run's options of its format do not apply, except the choice of cameras.
    const DetectedData found = other ? detected_or_none(*other) : DetectedData();
    const ConfigNode* own = run.config.find_path("data.type");
    if (found.component.empty() || (own != nullptr && own->text() == found.component)) throw;
    ConfigNode node = ConfigNode::map({.file = "command line"});
    node.set("type", quoted_scalar(found.component));
    node.set("path", quoted_scalar(found.path.string()));
    const ConfigNode* cameras = run.config.find_path("data.camera_names");
    if (cameras != nullptr && !cameras->is_null()) node.set("camera_names", *cameras);
    logger().info("{}: read as {}", other->string(), found.component);
    return Registry::instance().create<Dataset>(node, "data");
  }
}

}  // namespace roboimi::app
