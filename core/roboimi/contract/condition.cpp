#include "roboimi/contract/condition.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "roboimi/common/error.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/head.h"

namespace roboimi {
namespace {

void append(std::vector<at::Tensor>& parts, const char* name, const at::Tensor& part,
            std::int64_t dim) {
  if (dim == 0) return;
  if (!part.defined() || part.dim() != 3 || part.size(2) != dim) {
    throw Error({.what = fmt::format("wrong shape of the condition's {}", name),
                 .expected = fmt::format("[B, T, {}]", dim),
                 .found = part.defined() ? c10::str(part.sizes()) : "an undefined tensor"});
  }
  parts.push_back(part);
}

}  // namespace

std::string ConditionSpec::sum_text() const {
  std::string text;
  auto add = [&](const std::string& part) { text += (text.empty() ? "" : " + ") + part; };
  if (visual_dim > 0) add(visual_origin);
  if (state_dim > 0) add(fmt::format("state {}", state_dim));
  if (env_state_dim > 0) add(fmt::format("env_state {}", env_state_dim));
  if (text_dim > 0) add(fmt::format("text {}", text_dim));
  return fmt::format("{} = {}", text.empty() ? "nothing" : text, per_step_cond_dim());
}

ConditionSpec condition_spec(const Backbone* backbone, std::int64_t state_dim,
                             std::int64_t env_state_dim) {
  ConditionSpec spec{.state_dim = state_dim, .env_state_dim = env_state_dim};
  if (backbone == nullptr) return spec;
  spec.visual_dim = backbone->feature_dim();
  spec.visual_origin = backbone->joint_output_dim()
                           ? fmt::format("joint_output_dim {}", *backbone->joint_output_dim())
                           : fmt::format("output_dim {} * {} cameras", backbone->output_dim(),
                                         backbone->num_cameras());
  return spec;
}

void declare_cond_dim(OptionFields& head) {
  std::optional<std::int64_t> cond_dim;
  head.integer("cond_dim", cond_dim, "size of the condition per observation step; checked if given")
      .at_least(1);
}

void check_cond_dim(const Options& head, std::int64_t per_step_cond_dim, const std::string& sum) {
  if (!head.has("cond_dim") || head.integer("cond_dim") == per_step_cond_dim) return;
  head.fail("cond_dim", "is not the size of the condition", sum,
            fmt::format("pass agent.head.cond_dim=null, or set it to {}", per_step_cond_dim));
}

void check_cond_dim(const Options& head, const HeadSpec& spec) {
  check_cond_dim(
      head, spec.per_step_cond_dim,
      fmt::format("visual features + state = {} values per step", spec.per_step_cond_dim));
}

at::Tensor build_cond(const ConditionSpec& spec, const at::Tensor& features,
                      const at::Tensor& state, const at::Tensor& env_state,
                      const at::Tensor& text) {
  std::vector<at::Tensor> parts;
  append(parts, "visual features", features, spec.visual_dim);
  append(parts, "state", state, spec.state_dim);
  append(parts, "env_state", env_state, spec.env_state_dim);
  append(parts, "text", text, spec.text_dim);
  if (parts.empty()) {
    throw Error({.what = "the condition is empty",
                 .expected = "visual features, state or env_state",
                 .next = "give the agent a backbone, or data with a state"});
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts, 2);
}

}  // namespace roboimi
