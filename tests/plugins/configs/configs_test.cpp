// Checks every file of configs/ against the schemas of the plugins it uses.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <map>
#include <set>

#include "roboimi/common/error.h"
#include "roboimi/config/compose.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = fs::path(ROBOIMI_SOURCE_DIR) / "configs";

// Error if the component, or a nested one, does not have a key or does not accept its value.
void check_component(ComponentKind kind, const ConfigNode& node, const std::string& path) {
  Registry& registry = Registry::instance();
  registry.options_of(kind, node, path);
  for (const ComponentInfo& component : registry.components()) {
    if (component.kind != kind || component.name != node.find("type")->text()) continue;
    for (const OptionSpec& option : component.schema.options()) {
      const ConfigNode* part = node.find(option.key);
      if (option.type != OptionType::kComponent || part == nullptr || part->is_null()) continue;
      check_component(option.component_kind, *part, path + "." + option.key);
    }
  }
}

void check_experiment(const ConfigNode& root) {
  const std::map<std::string, ComponentKind> kinds = {
      {"agent", ComponentKind::kAgent},
      {"data", ComponentKind::kDataset},
      {"env", ComponentKind::kEnvironment},
      {"communicator", ComponentKind::kCommunicator},
      {"writer", ComponentKind::kEpisodeWriter}};
  // Configs for collecting have a writer and no training.
  if (root.find("writer") == nullptr) experiment_options(root);
  for (const auto& [key, kind] : kinds) {
    const ConfigNode* node = root.find(key);
    if (node != nullptr && !node->is_null()) check_component(kind, *node, key);
  }
}

// The choices of a group: "agent/backbone" -> the names in agent/backbone/ and in backbone/.
std::set<std::string> alternatives(const std::string& group) {
  std::set<std::string> names;
  const fs::path last = fs::path(group).filename();
  for (const fs::path& folder : {kConfigs / group, kConfigs / last, kConfigs / "collect" / last}) {
    if (!fs::is_directory(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".yaml") names.insert(entry.path().stem());
    }
  }
  return names;
}

class Configs : public ::testing::Test {
 protected:
  Configs() { Registry::instance().load_search_path({ROBOIMI_BINARY_DIR "/lib/roboimi/plugins"}); }

  // The error of a composition, or an empty string, in which case its files count as accepted.
  std::string try_out(const fs::path& file, const std::vector<std::string>& overrides) {
    try {
      const ComposedConfig config = compose_experiment(file.string(), overrides);
      check_experiment(config.root);
      for (const fs::path& source : config.sources) accepted_.insert(fs::weakly_canonical(source));
    } catch (const Error& error) {
      return fmt::format("{} {}: {}", file.filename().string(),
                         overrides.empty() ? "" : overrides[0], error.what());
    }
    return "";
  }

  static ConfigNode resolved(const std::string& experiment,
                             const std::vector<std::string>& overrides) {
    const ConfigNode root = compose_experiment((kConfigs / experiment).string(), overrides).root;
    return resolved_experiment(experiment_options(root), root);
  }

  std::set<fs::path> accepted_;
};

TEST_F(Configs, UseOnlyKeysAndValuesOfThePlugins) {
  std::string refused;
  for (const auto& entry : fs::directory_iterator(kConfigs)) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_EQ(try_out(entry.path(), {}), "");
    for (const auto& [group, chosen] : compose_config(entry.path().string(), {}).choices) {
      // An alternative need not fit every experiment.
      for (const std::string& name : alternatives(group)) {
        const std::string error = try_out(entry.path(), {group + "=" + name});
        if (!error.empty()) refused += error + "\n";
      }
    }
  }
  for (const std::string& head : alternatives("head")) {
    try_out(kConfigs / "lewm_imf_attnres.yaml", {"agent/head=" + head, "size=small"});
  }
  for (const std::string& data : alternatives("data")) {
    try_out(kConfigs / "own_data.yaml", {"data=" + data, "data.path=somewhere"});
  }
  // But each must fit at least one.
  for (const auto& entry : fs::recursive_directory_iterator(kConfigs)) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_TRUE(accepted_.contains(fs::weakly_canonical(entry.path())))
        << entry.path() << " is not part of any experiment that the plugins accept; rejected:\n"
        << refused;
  }
}

TEST_F(Configs, HaveASmallSizeForEveryHead) {
  for (const char* experiment : {"lewm_imf_attnres.yaml", "resnet_imf_attnres.yaml"}) {
    for (const auto& entry : fs::directory_iterator(kConfigs / "head")) {
      const std::string head = "agent/head=" + entry.path().stem().string();
      EXPECT_EQ(try_out(kConfigs / experiment, {head, "size=small"}), "");
      const ConfigNode root = resolved(experiment, {head, "size=small"});
      EXPECT_EQ(root.find_path("agent.head.n_emb")->text(), "128") << head;
      EXPECT_EQ(root.find_path("agent.head.n_layer")->text(), "4") << head;
    }
  }
  EXPECT_EQ(try_out(kConfigs / "lewm_imf_attnres.yaml",
                    {"agent/backbone=torchscript", "agent/head=diffusion", "size=small"}),
            "");
}

TEST_F(Configs, ResolveToTheDocumentedDefaults) {
  const auto value = [](const ConfigNode& root, const char* key) {
    const ConfigNode* node = root.find_path(key);
    return node == nullptr ? "(absent)" : node->to_yaml();
  };
  for (const char* name : {"lewm_imf_attnres.yaml", "resnet_imf_attnres.yaml"}) {
    const ConfigNode root = resolved(name, {});
    EXPECT_EQ(value(root, "agent.obs_horizon"), "2\n");
    EXPECT_EQ(value(root, "agent.pred_horizon"), "16\n");
    EXPECT_EQ(value(root, "agent.num_action_steps"), "8\n");
    EXPECT_EQ(value(root, "agent.ensemble_decay"), "null\n")
        << "options without a value are listed";
    EXPECT_EQ(value(root, "agent.head.n_emb"), "384\n");
    EXPECT_EQ(value(root, "agent.head.n_layer"), "12\n");
    EXPECT_EQ(value(root, "env.image_height"), "256\n");
    EXPECT_EQ(value(root, "train.max_steps"), "50000\n");
    EXPECT_EQ(value(root, "train.rollout_num_episodes"), "10\n");
    EXPECT_EQ(value(root, "seed"), "0\n");
  }
  const ConfigNode lewm = resolved("lewm_imf_attnres.yaml", {});
  EXPECT_EQ(value(lewm, "agent.backbone.camera_names"), "[front, top, r_vis]\n");
  EXPECT_EQ(value(lewm, "agent.backbone.image_width"), "112\n");
  EXPECT_EQ(value(lewm, "agent.backbone.random_init"), "false\n");
  const ConfigNode foreign =
      resolved("lewm_imf_attnres.yaml", {"agent/backbone=lewm_vit_diffusion"});
  EXPECT_EQ(value(foreign, "agent.backbone.checkpoint"), "null\n");
  EXPECT_EQ(value(foreign, "agent.backbone.layout"), "horizontal\n");
  EXPECT_EQ(value(foreign, "agent.backbone.image_width"), "224\n");
  const ConfigNode pretraining = resolved("lewm_pretrain.yaml", {});
  EXPECT_EQ(value(pretraining, "agent.camera_names"), "[front, top, r_vis]\n");
  EXPECT_EQ(value(pretraining, "train.warmup_steps"), "500\n");
}

TEST_F(Configs, AcceptOverridesOfEveryDeclaredKey) {
  const ConfigNode root =
      resolved("lewm_imf_attnres.yaml",
               {"train.batch_size=8", "agent.head.dropout=0.1", "cache.variants=2",
                "agent.ensemble_decay=0.01", "device=cpu", "track.swanlab=offline"});
  EXPECT_EQ(root.find_path("train.batch_size")->text(), "8");
  EXPECT_EQ(root.find_path("agent.head.dropout")->text(), "0.1");
  EXPECT_EQ(root.find_path("agent.ensemble_decay")->text(), "0.01");
  EXPECT_EQ(root.find_path("device")->text(), "cpu");
  EXPECT_THAT(try_out(kConfigs / "lewm_imf_attnres.yaml", {"agent.head.dropuot=0.1"}),
              ::testing::HasSubstr("did you mean 'agent.head.dropout'?"));
  EXPECT_THAT(try_out(kConfigs / "lewm_imf_attnres.yaml",
                      {"agent/head=diffusion", "agent.head.one_step_share=0.1"}),
              ::testing::HasSubstr("unknown key 'agent.head.one_step_share'"));
}

TEST_F(Configs, AreRejectedIfAKeyIsMisspelled) {
  EXPECT_THAT(try_out(kConfigs / "lewm_imf_attnres.yaml", {"+agent.head.n_embd=64"}),
              ::testing::HasSubstr("unknown key 'agent.head.n_embd'"));
}

}  // namespace
}  // namespace roboimi
