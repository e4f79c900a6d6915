// Tests of components that are linked into a program, without a library and a note.
#include "roboimi/plugin/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>

#include "roboimi/common/error.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/backbone.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LinearHead : public Head {
 public:
  explicit LinearHead(const HeadSpec& spec)
      : spec_(spec), linear_(spec.per_step_cond_dim, spec.action_dim) {
    register_module("linear", linear_);
  }
  const HeadSpec& spec() const override { return spec_; }
  LossReport loss(const at::Tensor& actions, const Condition& condition, const at::Tensor&,
                  at::Generator&) override {
    return {.loss = (linear_->forward(condition.steps).mean() - actions.mean()).square(),
            .metrics = {}};
  }
  at::Tensor sample(const Condition& condition, const BatchGenerator&, const at::Tensor&) override {
    return linear_->forward(condition.steps.select(1, 0))
        .unsqueeze(1)
        .expand({-1, spec_.pred_horizon, -1});
  }

 private:
  HeadSpec spec_;
  torch::nn::Linear linear_;
};

const HeadSpec kHeadSpec = {
    .action_dim = 2, .pred_horizon = 4, .obs_horizon = 1, .per_step_cond_dim = 3};

// A minimal agent that creates its head through the registry.
class HeadOnlyAgent : public Agent {
 public:
  explicit HeadOnlyAgent(std::shared_ptr<Head> head) : head_(std::move(head)) {
    register_module("head", head_);
  }
  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return horizons_; }
  Backbone* backbone() const override { return nullptr; }
  void set_statistics(const DatasetStatistics&) override {}
  bool has_statistics() const override { return true; }
  LossReport loss(const Batch& batch, at::Generator& generator) override {
    return head_->loss(batch.actions, batch.observations.state(), batch.is_pad, generator);
  }

 private:
  ObservationSpec spec_;
  Horizons horizons_;
  std::shared_ptr<Head> head_;
};

Component<Head> linear_head(const std::string& name) {
  return {.name = name,
          .description = "one linear map",
          .create = [](const Options&, const HeadSpec& spec) {
            return std::make_shared<LinearHead>(spec);
          }};
}

Component<Head> failing_head() {
  return {.name = "failing",
          .description = "throws",
          .create = [](const Options& options, const HeadSpec&) -> std::shared_ptr<Head> {
            throw Error({.what = "no weights", .where = "weights.pt", .next = "train some"});
            return nullptr;
            (void)options;
          }};
}

// A head that reads a file which its option names.
Component<Head> reading_head() {
  Schema schema;
  schema.optional_path("checkpoint", "file of weights");
  return {.name = "reading",
          .description = "throws",
          .schema = schema,
          .create = [](const Options& options, const HeadSpec&) -> std::shared_ptr<Head> {
            throw Error({.what = "cannot open", .where = options.text("checkpoint")});
          }};
}

// A head whose Error names the option that it rejects.
Component<Head> refusing_head() {
  return {.name = "refusing",
          .description = "throws",
          .create = [](const Options&, const HeadSpec&) -> std::shared_ptr<Head> {
            throw Error({.what = "not supported here", .where = "agent.head.precision"});
          }};
}

Component<Agent> head_only_agent() {
  Schema schema;
  schema.component("head", ComponentKind::kHead, "the action head");
  return {.name = "head_only",
          .description = "a head and nothing else",
          .schema = schema,
          .create = [](const Options& options, const ObservationSpec&, Registry& registry) {
            return std::make_shared<HeadOnlyAgent>(
                registry.create<Head>(options.component("head"), "agent.head", kHeadSpec));
          }};
}

// There is one registry per process, so it is filled only once.
Registry& registry() {
  static Registry& filled = [&]() -> Registry& {
    Registrar registrar;
    registrar.add<Head>(linear_head("linear"));
    registrar.add<Head>(refusing_head());
    registrar.add<Head>(failing_head());
    registrar.add<Head>(reading_head());
    registrar.add<Agent>(head_only_agent());
    Registry::instance().add("linked", std::move(registrar));
    return Registry::instance();
  }();
  return filled;
}

ConfigNode yaml(const std::string& text) { return parse_yaml(text, "test.yaml"); }

TEST(Registry, ListsLinkedComponents) {
  std::vector<std::string> names;
  for (const ComponentInfo& info : registry().components()) {
    EXPECT_EQ(info.plugin, "linked");
    names.push_back(std::string(to_string(info.kind)) + " " + info.name);
  }
  EXPECT_THAT(names, ElementsAre("head linear", "head refusing", "head failing", "head reading",
                                 "agent head_only"));
  ASSERT_EQ(registry().plugins().size(), 1u);
  EXPECT_FALSE(registry().plugins()[0].changed_on_disk);
}

TEST(Registry, NamesTheOptionOfAFileThatDoesNotExist) {
  const auto created = [](const std::string& checkpoint) {
    return error_text([&] {
      registry().create<Head>(yaml("{type: reading, checkpoint: " + checkpoint + "}"), "agent.head",
                              kHeadSpec);
    });
  };
  EXPECT_EQ(created("/nowhere/w.pt"),
            "/nowhere/w.pt: agent.head: cannot open; set agent.head.checkpoint to a file that "
            "exists");
  EXPECT_EQ(created("/etc/hostname"), "/etc/hostname: agent.head: cannot open");
}

TEST(Registry, AddsNoComponentOfAPluginWithADuplicateName) {
  Registrar registrar;
  registrar.add<Head>(linear_head("another"));
  registrar.add<Head>(linear_head("linear"));
  const std::string text = error_text([&] { registry().add("second", std::move(registrar)); });
  EXPECT_THAT(text, HasSubstr("the head 'linear' is already registered"));
  EXPECT_THAT(text, HasSubstr("one from the plugin 'linked'"));
  EXPECT_EQ(registry().components().size(), 5u);
  EXPECT_EQ(registry().plugins().size(), 1u);
}

TEST(Registry, RefusesIncompleteComponents) {
  Registrar nameless, without_factory, twice;
  nameless.add<Head>(linear_head(""));
  without_factory.add<Head>({.name = "hollow"});
  twice.add<Head>(linear_head("twin"));
  twice.add<Head>(linear_head("twin"));
  EXPECT_THAT(error_text([&] { registry().add("nameless", nameless); }),
              HasSubstr("a head without a name"));
  EXPECT_THAT(error_text([&] { registry().add("hollow", without_factory); }),
              HasSubstr("the head 'hollow' without a factory"));
  EXPECT_THAT(error_text([&] { registry().add("twin", twice); }),
              HasSubstr("one from the plugin 'twin'"));
}

TEST(Registry, CreatesAnAgentAndItsPartsOnlyFromTheSeed) {
  const ConfigNode node = yaml("type: head_only\nhead: {type: linear}");
  const auto weights = [&](std::uint64_t seed) {
    at::rand({5});  // earlier draws must not matter
    return registry()
        .create_agent(node, "agent", {}, seed)
        ->named_parameters()["head.linear.weight"];
  };
  EXPECT_TRUE(at::equal(weights(3), weights(3)));
  EXPECT_FALSE(at::equal(weights(3), weights(4)));
}

TEST(Registry, KeepsTheErrorOfAFactoryAndNamesTheInnermostNodeOnce) {
  const auto text = [](const std::string& head) {
    return error_text([&] {
      registry().create_agent(yaml("type: head_only\nhead: {type: " + head + "}"), "agent", {}, 0);
    });
  };
  EXPECT_EQ(text("failing"), "weights.pt: agent.head: no weights; train some");
  EXPECT_EQ(text("refusing"), "agent.head.precision: not supported here");
}

TEST(Registry, ResolvesTheNodesOfParts) {
  const ConfigNode node = yaml("type: head_only\nhead: {type: linear, plugin: null}");
  EXPECT_TRUE(registry().resolved(ComponentKind::kAgent, node, "agent") == node);
  EXPECT_THAT(error_text([] {
                registry().resolved(ComponentKind::kAgent,
                                    yaml("type: head_only\nhead: {type: linaer}"), "agent");
              }),
              HasSubstr("agent.head: unknown head 'linaer'"));
}

}  // namespace
}  // namespace roboimi
