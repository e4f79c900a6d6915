// Tests of the shipped experiments in configs/.
#include <gmock/gmock.h>

#include <filesystem>

#include "roboimi/config/compose.h"
#include "tests/error_text.h"
#include "tests/unit/config/config_folder.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

std::filesystem::path configs() { return std::filesystem::path(ROBOIMI_SOURCE_DIR) / "configs"; }

ConfigNode compose(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return compose_config((configs() / name).string(), overrides).root;
}

std::string value(const ConfigNode& root, const std::string& path) {
  const ConfigNode* node = root.find_path(path);
  return node == nullptr ? "(absent)" : node->to_yaml();
}

std::vector<std::string> experiments() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(configs())) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().filename().string());
  }
  return names;
}

TEST(Experiments, AllComposeInBothSizesAndAgainFromTheirSavedTree) {
  EXPECT_THAT(experiments(), IsSupersetOf({"lewm_imf_attnres.yaml", "resnet_imf_attnres.yaml",
                                           "collect_sim_transfer.yaml"}));
  const auto saved = std::filesystem::temp_directory_path() /
                     ("roboimi_saved_" + std::to_string(::getpid()) + ".yaml");
  for (const std::string& name : experiments()) {
    for (const std::vector<std::string>& overrides :
         {std::vector<std::string>{}, std::vector<std::string>{"size=small"}}) {
      const ConfigNode root = compose(name, overrides);
      std::ofstream(saved) << root.to_yaml();
      EXPECT_EQ(compose_config(saved.string(), {}).root, root) << name;
      if (name == "own_data.yaml") continue;  // its images have the sizes of the data
      // Experiments without an environment have other sizes. The full sizes are the defaults.
      const bool acts = root.find_path("env") != nullptr;
      const std::string small = acts ? "128\n" : "112\n";
      EXPECT_EQ(value(root, acts ? "env.image_height" : "agent.image_height"),
                overrides.empty() ? "(absent)" : small)
          << name;
    }
  }
  std::filesystem::remove(saved);
}

TEST(Experiments, ContainOnlyValuesThatDifferFromTheDeclaredDefaults) {
  for (const char* name : {"lewm_imf_attnres.yaml", "resnet_imf_attnres.yaml"}) {
    const ConfigNode root = compose(name);
    EXPECT_EQ(value(root, "data.camera_names"), "[r_vis, top, front]\n");
    EXPECT_EQ(value(root, "env.camera_names"), "[r_vis, top, front]\n");
    EXPECT_EQ(value(root, "train"), "threads: 2\n");
    EXPECT_EQ(value(root, "agent.head.prediction"), "sample\n");
    EXPECT_EQ(value(root, "agent.head.n_emb"), "(absent)");
  }
  const ConfigNode lewm = compose("lewm_imf_attnres.yaml");
  EXPECT_EQ(value(lewm, "agent.head.cond_dim"), "208\n");
  EXPECT_TRUE(std::filesystem::exists(lewm.find_path("agent.backbone.checkpoint")->text()));
  const ConfigNode foreign =
      compose("lewm_imf_attnres.yaml", {"agent/backbone=lewm_vit_diffusion"});
  EXPECT_EQ(value(foreign, "agent.backbone"), "type: lewm_vit_backbone\n");
  for (const char* depth : {"18", "34", "50"}) {
    const ConfigNode root =
        compose("resnet_imf_attnres.yaml", {std::string("agent/backbone=resnet") + depth});
    EXPECT_EQ(value(root, "agent.backbone"),
              std::string("type: resnet_backbone\ndepth: ") + depth + "\n");
  }
}

TEST(Experiments, PretrainAsLeWorldModelDoes) {
  const ConfigNode root = compose("lewm_pretrain.yaml");
  EXPECT_EQ(value(root, "agent"), "type: lewm_world_model\n");
  EXPECT_EQ(value(root, "env"), "(absent)");
  EXPECT_EQ(value(root, "train.batch_size"), "128\n");
  EXPECT_EQ(value(root, "train.learning_rate"), "5e-5\n");
  EXPECT_EQ(value(root, "train.weight_decay"), "1e-3\n");
  EXPECT_EQ(value(root, "train.ema"), "none\n");
  const ConfigNode small = compose("lewm_pretrain.yaml", {"size=small"});
  EXPECT_EQ(value(small, "agent.image_height"), "112\n");
  EXPECT_EQ(value(small, "train.max_steps"), "1500\n");
}

TEST(Experiments, SwapTheBackboneInPlace) {
  for (const char* name : {"lewm_imf_attnres.yaml", "resnet_imf_attnres.yaml"}) {
    for (const char* backbone :
         {"lewm_vit", "lewm_vit_diffusion", "resnet18", "resnet34", "resnet50"}) {
      const ConfigNode root = compose(name, {std::string("agent/backbone=") + backbone});
      const bool is_lewm = std::string(backbone).starts_with("lewm");
      EXPECT_EQ(value(root, "agent.backbone.type"),
                is_lewm ? "lewm_vit_backbone\n" : "resnet_backbone\n");
      // cond_dim 208 fits only one feature of dimension 192.
      const ConfigNode* cond_dim = root.find_path("agent.head.cond_dim");
      const bool is_stated = cond_dim != nullptr && !cond_dim->is_null();
      EXPECT_EQ(is_stated, is_lewm && std::string(name).starts_with("lewm"));
      if (is_stated) {
        EXPECT_EQ(cond_dim->text(), "208");
      }
    }
  }
}

TEST(Experiments, SwapTheHeadInPlace) {
  for (const char* head : {"diffusion", "flow_matching"}) {
    const std::string choice = std::string("agent/head=") + head;
    // No key of the other head is left; keys that all heads share remain.
    const std::string full = "type: " + std::string(head) + "_head\ncond_dim: 208\n";
    EXPECT_EQ(value(compose("lewm_imf_attnres.yaml", {choice}), "agent.head"), full);
    EXPECT_EQ(value(compose("lewm_imf_attnres.yaml", {choice, "size=small"}), "agent.head"),
              full + "n_emb: 128\nn_layer: 4\nn_head: 4\n");
  }
}

TEST(Experiments, KeepTheSizeOfAHeadWithoutASmallSize) {
  const ConfigFolder folder;
  folder.write("head/mine.yaml", "type: my_head\nhidden: 64\n");
  const ConfigNode root = compose_config((configs() / "lewm_imf_attnres.yaml").string(),
                                         {"agent/head=mine", "size=small"}, {folder.path()})
                              .root;
  EXPECT_EQ(value(root, "agent.head"), "type: my_head\nhidden: 64\ncond_dim: 208\n");
  EXPECT_EQ(value(root, "train.max_steps"), "2000\n");
  // A head with its own small size.
  folder.write("size/small_head/mine.yaml", "# @package agent.head\nhidden: 8\n");
  const ConfigNode sized = compose_config((configs() / "lewm_imf_attnres.yaml").string(),
                                          {"agent/head=mine", "size=small"}, {folder.path()})
                               .root;
  EXPECT_EQ(value(sized, "agent.head.hidden"), "8\n");
}

TEST(Experiments, UseTheStateOfTheEnvironmentWithoutCameras) {
  const ConfigNode root = compose("lewm_imf_attnres.yaml", {"agent=state_imf_attnres"});
  EXPECT_EQ(value(root, "agent.backbone"), "(absent)");
  EXPECT_EQ(value(root, "agent.use_env_state"), "true\n");
}

TEST(Experiments, ListTheAvailableBackbones) {
  EXPECT_THAT(
      error_text([] { compose("lewm_imf_attnres.yaml", {"agent/backbone=resnet19"}); }),
      HasSubstr("one of lewm_vit, lewm_vit_diffusion, resnet18, resnet18_224, resnet34, resnet50"));
}

}  // namespace
}  // namespace roboimi
