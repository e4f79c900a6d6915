#include "roboimi/train/checkpoint_json.h"

#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kFormat = 1;

ordered_json spec_to_json(const ObservationSpec& spec) {
  ordered_json images = ordered_json::object();
  for (const auto& [camera, size] : spec.images) images[camera] = {size.height, size.width};
  return {{"camera_names", spec.camera_names},   {"images", images},
          {"state_dim", spec.state_dim},         {"action_dim", spec.action_dim},
          {"env_state_dim", spec.env_state_dim}, {"control_hz", spec.control_hz}};
}

ObservationSpec spec_from_json(const json& node) {
  ObservationSpec spec;
  node.at("camera_names").get_to(spec.camera_names);
  for (const auto& [camera, size] : node.at("images").items()) {
    spec.images[camera] = {.height = size.at(0), .width = size.at(1)};
  }
  node.at("state_dim").get_to(spec.state_dim);
  node.at("action_dim").get_to(spec.action_dim);
  node.at("env_state_dim").get_to(spec.env_state_dim);
  node.at("control_hz").get_to(spec.control_hz);
  return spec;
}

ordered_json range_to_json(const ActionRange& range) {
  return {{"min", range.min}, {"max", range.max}, {"largest_step", range.largest_step}};
}

ActionRange range_from_json(const json& node) {
  return {.min = node.at("min"), .max = node.at("max"), .largest_step = node.at("largest_step")};
}

std::map<std::string, double> numbers_from_json(const json& node) {
  std::map<std::string, double> numbers;
  // A number that is not finite was written as null.
  for (const auto& [name, value] : node.items()) {
    numbers[name] =
        value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
  }
  return numbers;
}

}  // namespace

std::string checkpoint_state_to_json(const CheckpointState& state) {
  const NumericConditions& conditions = state.conditions;
  ordered_json node = {{"format", kFormat}, {"step", state.step}};
  node["ema_step"] = state.ema_step ? ordered_json(*state.ema_step) : ordered_json(nullptr);
  node["generators"] = {{"rule", "functions of (seed, step)"}, {"seed", state.seed}};
  node["config_sha256"] = state.config_sha256;
  node["conditions"] = {
      {"threads", conditions.threads},   {"cpu_capability", conditions.cpu_capability},
      {"libtorch", conditions.libtorch}, {"precision", conditions.precision},
      {"device", conditions.device},     {"processes", conditions.processes}};
  node["observation_spec"] = spec_to_json(state.spec);
  if (state.action_range) node["action_range"] = range_to_json(*state.action_range);
  if (state.state_range) {
    node["state_range"] = {{"min", state.state_range->min}, {"max", state.state_range->max}};
  }
  node["metrics"] = state.metrics;
  node["rollouts"] = state.rollouts;
  return node.dump(2) + "\n";
}

CheckpointState checkpoint_state_from_json(const std::string& text, const std::string& where) {
  try {
    const json node = json::parse(text);
    CheckpointState state;
    if (node.at("format") != kFormat) {
      throw Error({.what = "a checkpoint of another format",
                   .where = where,
                   .expected = "format " + std::to_string(kFormat),
                   .found = node.at("format").dump()});
    }
    node.at("step").get_to(state.step);
    if (!node.at("ema_step").is_null()) state.ema_step = node.at("ema_step").get<std::int64_t>();
    node.at("generators").at("seed").get_to(state.seed);
    node.at("config_sha256").get_to(state.config_sha256);
    const json& conditions = node.at("conditions");
    conditions.at("threads").get_to(state.conditions.threads);
    conditions.at("cpu_capability").get_to(state.conditions.cpu_capability);
    conditions.at("libtorch").get_to(state.conditions.libtorch);
    conditions.at("precision").get_to(state.conditions.precision);
    conditions.at("device").get_to(state.conditions.device);
    state.conditions.processes = conditions.value("processes", std::int64_t{1});
    state.spec = spec_from_json(node.at("observation_spec"));
    if (node.contains("action_range")) state.action_range = range_from_json(node["action_range"]);
    if (node.contains("state_range")) {
      const json& range = node["state_range"];
      state.state_range = {.min = range.at("min"), .max = range.at("max")};
    }
    state.metrics = numbers_from_json(node.at("metrics"));
    state.rollouts = numbers_from_json(node.at("rollouts"));
    return state;
  } catch (const json::exception& error) {
    throw Error({.what = std::string("a damaged checkpoint: ") + error.what(), .where = where});
  }
}

}  // namespace roboimi
