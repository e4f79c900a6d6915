#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <cmath>
#include <limits>

#include "components.h"
#include "roboimi/common/error.h"

namespace roboimi::streams {
namespace {

// A head with one attention layer. The query is computed from the condition's steps, and attends to
// its tokens.
class TokenHead : public Head {
 public:
  explicit TokenHead(const HeadSpec& spec) : spec_(spec) {
    if (spec.token_dim == 0) {
      throw Error({.what = "the agent provides no tokens", .where = "token_head"});
    }
    query_ = register_module("query", torch::nn::Linear(spec.global_cond_dim(), spec.token_dim));
    output_ = register_module("output", torch::nn::Linear(spec.global_cond_dim() + spec.token_dim,
                                                          spec.pred_horizon * spec.action_dim));
  }
  const HeadSpec& spec() const override { return spec_; }

  LossReport loss(const at::Tensor& actions, const Condition& condition, const at::Tensor& is_pad,
                  at::Generator&) override {
    check_loss_arguments(actions, condition, is_pad);
    const at::Tensor valid = is_pad.logical_not().to(at::kFloat).unsqueeze(-1);
    return {.loss = ((predict(condition) - actions) * valid).square().mean()};
  }
  at::Tensor sample(const Condition& condition, const BatchGenerator&,
                    const at::Tensor& prefix) override {
    check_sample_arguments(condition, prefix);
    return predict(condition);
  }

 private:
  at::Tensor predict(const Condition& condition) {
    const at::Tensor steps = condition.steps.flatten(1);
    at::Tensor scores = at::matmul(condition.tokens, query_(steps).unsqueeze(-1)).squeeze(-1);
    if (condition.token_mask.defined()) {
      scores = scores.masked_fill(condition.token_mask.logical_not(),
                                  -std::numeric_limits<float>::infinity());
    }
    const at::Tensor weights = at::softmax(scores / std::sqrt(double(spec_.token_dim)), 1);
    const at::Tensor attended = at::matmul(weights.unsqueeze(1), condition.tokens).squeeze(1);
    return output_(at::cat({steps, attended}, 1)).view({-1, spec_.pred_horizon, spec_.action_dim});
  }

  HeadSpec spec_;
  torch::nn::Linear query_{nullptr}, output_{nullptr};
};

}  // namespace

std::shared_ptr<Head> create_token_head(const Options&, const HeadSpec& spec) {
  return std::make_shared<TokenHead>(spec);
}

}  // namespace roboimi::streams
