// Base classes of agents for tests with scripted commands.
#pragma once

#include <memory>
#include <utility>

#include "roboimi/common/error.h"
#include "roboimi/contract/agent.h"

namespace roboimi {

// An agent that cannot be trained: it has no backbone, statistics or loss.
class UntrainedAgent : public Agent {
 public:
  explicit UntrainedAgent(ObservationSpec spec, Horizons horizons = {1, 1, 1})
      : spec_(std::move(spec)), horizons_(horizons) {}
  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return horizons_; }
  Backbone* backbone() const override { return nullptr; }
  void set_statistics(const DatasetStatistics&) override {}
  bool has_statistics() const override { return true; }
  LossReport loss(const Batch&, at::Generator&) override { throw Error("it is not trained"); }

 protected:
  ObservationSpec spec_;
  Horizons horizons_;
};

// An agent whose actor is the agent itself.
class ActingAgent : public UntrainedAgent {
 public:
  using UntrainedAgent::UntrainedAgent;
  virtual void reset(std::uint64_t) {}
  virtual bool needs_images() const { return false; }
  virtual std::int64_t latency_steps() const { return 0; }
  virtual at::Tensor act(const Observation& observation) = 0;
  virtual ActTiming last_timing() const { return {}; }

  std::unique_ptr<Actor> make_actor(const ActorOptions& options) override {
    refuse_deadline(options, name());
    return std::make_unique<Itself>(*this);
  }

  // Number of existing actors.
  int num_actors = 0;

 private:
  class Itself final : public Actor {
   public:
    explicit Itself(ActingAgent& agent) : agent_(agent) { ++agent_.num_actors; }
    ~Itself() override {
      // Modes and weights are restored after the last actor is destroyed.
      if (--agent_.num_actors == 0) agent_.at_rest();
    }
    void reset(std::uint64_t seed) override { agent_.reset(seed); }
    bool needs_images() const override { return agent_.needs_images(); }
    std::int64_t latency_steps() const override { return agent_.latency_steps(); }
    at::Tensor act(const Observation& observation) override { return agent_.act(observation); }
    ActTiming last_timing() const override { return agent_.last_timing(); }

   private:
    ActingAgent& agent_;
  };

 protected:
  // Called when the last actor is destroyed.
  virtual void at_rest() {}
};

}  // namespace roboimi
