// A dataset and an environment for the tiny agent: imitate a function of a random state.
#pragma once

#include "roboimi/contract/dataset.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/plugin/registry.h"
#include "tests/unit/train/tiny_agent.h"

namespace roboimi::testing {

// The correct action for a state [3]: [sin(x0), x1].
inline at::Tensor tiny_command(const at::Tensor& state) {
  return at::stack({state[0].sin(), state[1]});
}

class TinyDataset : public Dataset {
 public:
  // `weights`: of the first two and of the last two episodes; empty: no weights.
  explicit TinyDataset(std::filesystem::path file, std::vector<double> weights = {})
      : weights_(std::move(weights)) {
    spec_ = tiny_spec();
    for (std::int64_t i = 0; i < 4; ++i) {
      at::Generator generator = make_generator(static_cast<std::uint64_t>(i));
      states_.push_back(at::randn({30, 3}, generator));
      infos_.push_back({.file = file, .length = 30});
    }
  }
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override { return 4; }
  const EpisodeInfo& episode(std::int64_t index) const override {
    return infos_[static_cast<std::size_t>(index)];
  }
  at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    if (stream != kState) throw Error({.what = "no stream '" + stream + "'"});
    return states_[static_cast<std::size_t>(episode)].slice(0, first, first + count);
  }
  at::Tensor actions(std::int64_t episode) const override {
    const at::Tensor rows = state(episode);
    return at::stack({rows.select(1, 0).sin(), rows.select(1, 1)}, 1);
  }
  std::vector<DatasetPart> parts() const override {
    if (weights_.empty()) return {};
    return {{.name = "first", .weight = weights_.at(0), .episodes = {0, 1}},
            {.name = "last", .weight = weights_.at(1), .episodes = {2, 3}}};
  }

 private:
  ObservationSpec spec_;
  std::vector<at::Tensor> states_;
  std::vector<EpisodeInfo> infos_;
  std::vector<double> weights_;
};

// A robot whose episodes last five steps and succeed if a command is near the correct action.
class TinyRobot : public Environment {
 public:
  explicit TinyRobot(std::int64_t state_dim = 3) : spec_(tiny_spec()) {
    spec_.set(vector_stream(kState, state_dim));
  }
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t max_steps() const override { return 5; }
  Observation reset(std::uint64_t seed, bool render) override {
    generator_ = make_generator(seed);
    steps_ = 0;
    info_ = {};
    state_ = at::randn({3}, generator_);
    return observe(render);
  }
  StepResult step(const at::Tensor& action, bool render) override {
    const double error = (action - tiny_command(state_)).abs().max().item<double>();
    info_.success = info_.success || error < 1.0;
    info_.stage = info_.success ? 1 : 0;
    state_ = at::randn({3}, generator_);
    return {.observation = observe(render),
            .reward = error < 1.0 ? 1.0 : 0.0,
            .truncated = ++steps_ == 5,
            .info = info_};
  }
  Observation observe(bool) override { return {{"state", state_}}; }

 protected:
  std::int64_t steps() const { return steps_; }

 private:
  ObservationSpec spec_;
  at::Generator generator_;
  at::Tensor state_;
  StepInfo info_;
  std::int64_t steps_ = 0;
};

class TinyEnvironment final : public TinyRobot, public Scene {
 public:
  using TinyRobot::TinyRobot;
  Scene* scene() override { return this; }
  double max_reward() const override { return 1.0; }
  std::vector<std::string> stage_names() const override { return {"start", "near"}; }
  std::vector<std::array<double, 3>> end_effector_positions() const override {
    return {{0.1 * static_cast<double>(steps()), 0.0, 0.0}};
  }
  std::vector<std::string> end_effector_names() const override { return {"tip"}; }
  at::Tensor render(const std::string&, ImageSize size) override {
    return at::full({size.height, size.width, 3}, 90, at::kByte);
  }
  std::optional<std::array<double, 2>> project(const std::string&, ImageSize,
                                               const std::array<double, 3>& point) const override {
    return std::array<double, 2>{20.0 + 100.0 * point[0], 30.0};
  }
};

inline std::shared_ptr<Environment> make_tiny_environment(const Options& options) {
  const std::int64_t state_dim = options.integer("state_dim");
  if (!options.boolean("scene")) return std::make_shared<TinyRobot>(state_dim);
  return std::make_shared<TinyEnvironment>(state_dim);
}

// Adds the components `tiny` of this program to the registry, once.
inline void register_tiny_task() {
  static const bool done = [] {
    Registrar registrar;
    Schema agent_schema;
    agent_schema.number("noise", 0.1, "standard deviation of the noise on the state");
    agent_schema.integer("hidden", 8, "width").at_least(1);
    registrar.add<Agent>(
        {.name = "tiny",
         .description = "a small network on the state",
         .schema = agent_schema,
         .create = [](const Options& options, const ObservationSpec& spec, Registry&) {
           return std::make_shared<TinyAgent>(spec, options.number("noise"),
                                              options.integer("hidden"));
         }});
    Schema data_schema;
    data_schema.required_path("path", "a file that represents the recordings");
    data_schema.numbers("weights", {}, "of two parts").not_in_cache_keys();
    registrar.add<Dataset>({.name = "tiny",
                            .description = "random states and a function of them",
                            .schema = data_schema,
                            .create = [](const Options& options) {
                              return std::make_shared<TinyDataset>(options.text("path"),
                                                                   options.numbers("weights"));
                            }});
    Schema environment_schema;
    environment_schema.integer("state_dim", 3, "dimension of the state in the spec");
    environment_schema.boolean("scene", true, "whether it has a scene, like a simulator");
    registrar.add<Environment>({.name = "tiny",
                                .description = "rewards the same function",
                                .schema = environment_schema,
                                .create = make_tiny_environment});
    Registry::instance().add("tiny_task", std::move(registrar));
    return true;
  }();
  (void)done;
}

}  // namespace roboimi::testing
