// An agent that commands a constant.
#pragma once

#include <gtest/gtest.h>
#include <torch/nn/modules/dropout.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/acting_agent.h"
#include "tests/unit/rollout/line_robot.h"

namespace roboimi {

using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;

// Moves by a constant. Needs every fourth image.
class ConstantAgent : public ActingAgent {
 public:
  explicit ConstantAgent(double speed) : ActingAgent(LineEnvironment().spec()), speed_(speed) {
    frozen = register_module("frozen", torch::nn::Dropout(0.5));
  }
  void reset(std::uint64_t seed) override {
    seeds.push_back(seed);
    step_ = 0;
  }
  // The observations contain the camera only if needs_images().
  std::vector<std::string> stream_names() const override { return {kState, "front"}; }
  bool needs_images() const override { return step_ % 4 == 0; }
  at::Tensor act(const Observation& o) override {
    EXPECT_FALSE(frozen->is_training());
    EXPECT_EQ(o.images().size(), needs_images() ? 1u : 0u);
    ++step_;
    return at::full({1}, speed_);
  }
  std::vector<std::uint64_t> seeds;
  torch::nn::Dropout frozen{nullptr};

 private:
  double speed_;
  int step_ = 0;
};

}  // namespace roboimi
