#include "roboimi/checkpoint/checkpoint_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/json_text.h"
#include "roboimi/io/dtype_names.h"

namespace roboimi {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// Format 1 was written by version 0.1, whose observations had no named streams.
constexpr int kFormat = 2, kOldestFormat = 1;

ordered_json spec_to_json(const ObservationSpec& spec) {
  ordered_json streams = ordered_json::array();
  for (const StreamSpec& stream : spec.streams) {
    streams.push_back({{"name", stream.name},
                       {"kind", to_string(stream.kind)},
                       {"shape", stream.shape},
                       {"dtype", dtype_name(stream.dtype)},
                       {"unit", stream.unit},
                       {"element_names", stream.element_names}});
  }
  return {{"streams", streams}, {"action_dim", spec.action_dim}, {"control_hz", spec.control_hz}};
}

// The streams of an old checkpoint, written before streams had names.
std::vector<StreamSpec> fixed_streams(const json& node) {
  std::vector<StreamSpec> streams;
  for (const std::string camera : node.at("camera_names")) {
    const json& size = node.at("images").at(camera);
    streams.push_back(rgb_stream(camera, {.height = size.at(0), .width = size.at(1)}));
  }
  streams.push_back(vector_stream(kState, node.at("state_dim")));
  if (const std::int64_t size = node.at("env_state_dim"); size > 0) {
    streams.push_back(vector_stream(kEnvState, size));
  }
  return streams;
}

at::ScalarType dtype_of(const std::string& name) {
  if (const auto dtype = dtype_from_name(name)) return *dtype;
  throw Error({.what = "unknown dtype '" + name + "'", .expected = all_dtype_names()});
}

ObservationSpec spec_from_json(const json& node) {
  ObservationSpec spec{.action_dim = node.at("action_dim"), .control_hz = node.at("control_hz")};
  if (!node.contains("streams")) {
    spec.streams = fixed_streams(node);
    return spec;
  }
  for (const json& stream : node.at("streams")) {
    spec.streams.push_back({.name = stream.at("name"),
                            .kind = stream_kind_from(stream.at("kind")),
                            .shape = stream.at("shape"),
                            .dtype = dtype_of(stream.at("dtype")),
                            .unit = stream.at("unit"),
                            .element_names = stream.at("element_names")});
  }
  return spec;
}

ordered_json range_to_json(const ActionRange& range) {
  return {{"min", range.min}, {"max", range.max}, {"largest_step", range.largest_step}};
}

ActionRange range_from_json(const json& node) {
  return {.min = node.at("min"), .max = node.at("max"), .largest_step = node.at("largest_step")};
}

// The start of the last line of state.json, with the checksum of everything before it.
constexpr std::string_view kBodySum = ",\n  \"body_sha256\": \"";

std::string with_body_sum(std::string text) {
  text.resize(text.rfind("\n}"));
  const std::string sum = Sha256().update(text.data(), text.size()).hex();
  return text.append(kBodySum).append(sum).append("\"\n}\n");
}

// Throws Error if the checksum in the text does not match. Old checkpoints have no checksums.
void check_body_sum(const json& node, const std::string& text, const std::string& where) {
  if (!node.contains("sha256") && !node.contains("body_sha256")) return;
  const std::size_t end = std::min(text.rfind(kBodySum), text.size());
  const std::string found = Sha256().update(text.data(), end).hex();
  const std::string expected = node.value("body_sha256", "none");
  if (found == expected) return;
  throw Error({.what = "not the file that was saved: damaged or changed",
               .where = where,
               .expected = "SHA-256 " + expected + " for everything before that line",
               .found = found,
               .next = "copy it again from an intact source, or use another checkpoint"});
}

ordered_json sums_to_json(const MetricsSums& sums) {
  return {{"steps", sums.steps}, {"processes", sums.processes}};
}

std::map<std::string, double> numbers_from_json(const json& node) {
  std::map<std::string, double> numbers;
  // Values that are not finite were written as null.
  for (const auto& [name, value] : node.items()) {
    numbers[name] =
        value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
  }
  return numbers;
}

MetricsSums sums_from_json(const json& node) {
  MetricsSums sums{.steps = node.at("steps")};
  for (const json& process : node.at("processes")) {
    sums.processes.push_back(numbers_from_json(process));
  }
  return sums;
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
      {"device", conditions.device},     {"processes", conditions.processes},
      {"matmul", conditions.matmul},     {"cuda_graph", conditions.cuda_graph}};
  node["observation_spec"] = spec_to_json(state.spec);
  if (state.action_range) node["action_range"] = range_to_json(*state.action_range);
  if (state.state_range) {
    node["state_range"] = {{"min", state.state_range->min}, {"max", state.state_range->max}};
  }
  node["metrics"] = state.metrics;
  if (!state.validation.empty()) node["validation"] = state.validation;
  node["rollouts"] = state.rollouts;
  node["unlogged"] = sums_to_json(state.unlogged);
  node["sha256"] = state.sha256;
  return with_body_sum(json_text(node));
}

CheckpointState checkpoint_state_from_json(const std::string& text, const std::string& where) {
  try {
    const json node = json::parse(text);
    CheckpointState state;
    const int format = node.at("format");
    if (format < kOldestFormat || format > kFormat) {
      throw Error({.what = "the checkpoint has an unsupported format",
                   .where = where,
                   .expected = fmt::format("format {} to {}", kOldestFormat, kFormat),
                   .found = std::to_string(format),
                   .next = "use the version of roboimi that saved it"});
    }
    check_body_sum(node, text, where);
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
    state.conditions.matmul = conditions.value("matmul", std::string("fp32"));
    state.conditions.cuda_graph = conditions.value("cuda_graph", false);
    state.spec = spec_from_json(node.at("observation_spec"));
    if (node.contains("action_range")) state.action_range = range_from_json(node["action_range"]);
    if (node.contains("state_range")) {
      const json& range = node["state_range"];
      state.state_range = {.min = range.at("min"), .max = range.at("max")};
    }
    state.metrics = numbers_from_json(node.at("metrics"));
    if (node.contains("validation")) state.validation = numbers_from_json(node["validation"]);
    state.rollouts = numbers_from_json(node.at("rollouts"));
    if (node.contains("unlogged")) state.unlogged = sums_from_json(node["unlogged"]);
    if (node.contains("sha256")) node["sha256"].get_to(state.sha256);
    return state;
  } catch (const json::exception& error) {
    throw Error({.what = std::string("damaged checkpoint: ") + error.what(), .where = where});
  }
}

}  // namespace roboimi
