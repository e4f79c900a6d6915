#include "app/demonstrations.h"

#include "roboimi/train/train_options.h"

namespace roboimi::app {

std::optional<std::filesystem::path> other_data(
    const boost::program_options::variables_map& values) {
  if (values.count("data") == 0) return std::nullopt;
  return values["data"].as<std::string>();
}

std::int64_t held_out_in_training(const ConfigNode& config) {
  const ConfigNode* stated = config.find_path("train.held_out_episodes");
  ConfigNode train = ConfigNode::map();
  if (stated != nullptr && !stated->is_null()) train.set("held_out_episodes", *stated);
  return parse_options(train, schema_of<TrainOptions>(), "train").integer("held_out_episodes");
}

}  // namespace roboimi::app
