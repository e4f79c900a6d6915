#include "app/demonstrations.h"

#include "roboimi/checkpoint/load_agent.h"
#include "roboimi/common/error.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/train_options.h"

namespace roboimi::app {

std::shared_ptr<const Dataset> demonstrations(const ConfigNode& config,
                                              const boost::program_options::variables_map& values) {
  const ConfigNode* found = config.find("data");
  if (found == nullptr || !found->is_map()) {
    throw Error({.what = "the experiment has no data", .expected = "a section `data`"});
  }
  if (values.count("data") == 0) return open_recorded_data(*found);
  ConfigNode node = *found;
  node.set("path", ConfigNode::scalar(values["data"].as<std::string>(), {.file = "command line"},
                                      /*quoted=*/true));
  return Registry::instance().create<Dataset>(node, "data");
}

std::int64_t held_out_in_training(const ConfigNode& config) {
  const ConfigNode* stated = config.find_path("train.held_out_episodes");
  ConfigNode train = ConfigNode::map();
  if (stated != nullptr && !stated->is_null()) train.set("held_out_episodes", *stated);
  return parse_options(train, schema_of<TrainOptions>(), "train").integer("held_out_episodes");
}

}  // namespace roboimi::app
