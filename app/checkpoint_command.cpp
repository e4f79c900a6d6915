// roboimi checkpoint inspect|convert
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/checkpoint_layouts.h"
#include "app/checkpoint_verify.h"
#include "app/commands.h"
#include "app/common_options.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/io/checkpoint_file.h"
#include "roboimi/io/safetensors.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

constexpr const char* kUsage =
    "usage: roboimi checkpoint inspect FILE [--json]\n"
    "       roboimi checkpoint convert IN OUT.safetensors --layout lewm [options]\n"
    "       roboimi checkpoint verify RUN_DIR|CHECKPOINT_DIR\n\n"
    "FILE is safetensors, or what torch.save wrote: a state_dict, a Lightning checkpoint, a whole\n"
    "module; or the index of a list of shards, or the folder that holds one. Nothing in it is\n"
    "executed.\n\n";
constexpr const char* kExample =
    "\nexample: roboimi checkpoint inspect lewm.ckpt\n"
    "         roboimi checkpoint convert lewm.ckpt lewm.safetensors --layout lewm \\\n"
    "             --fusion horizontal --cameras front,top,r_vis --resize exact\n";

// A layout, when every name that it expects is there.
struct Recognized {
  const CheckpointLayout* layout = nullptr;
  WeightSelection weights;
};

std::optional<Recognized> recognize(const CheckpointFile& file, const std::string& path) {
  for (const CheckpointLayout& layout : checkpoint_layouts()) {
    try {
      WeightSelection weights = select_weights(file, layout.weights, path);
      if (weights.missing(layout.weights.expected).empty()) {
        return Recognized{&layout, std::move(weights)};
      }
    } catch (const Error&) {  // nothing of this layout, or several: the list of tensors shows it
    }
  }
  return std::nullopt;
}

std::vector<std::string> printable_names(const std::vector<std::string>& names) {
  std::vector<std::string> shown;
  for (const std::string& name : names) shown.push_back(printable(name));
  return shown;
}

std::string describe(const Recognized& recognized) {
  const WeightSelection& weights = recognized.weights;
  return fmt::format(
      "{} ({} tensors, {}{}, {} others left out)", recognized.layout->name, weights.tensors.size(),
      weights.prefixes.empty() ? "no prefix"
                               : fmt::format("prefix {}", fmt::join(weights.prefixes, " ")),
      weights.renamed > 0 ? ", newer names" : "", weights.left_out.size());
}

Json to_json(const CheckpointFile& file, const std::string& path) {
  Json json = {{"path", path}, {"format", file.layout}, {"sha256", file.sha256}};
  json["layout"] = nullptr;
  if (const auto recognized = recognize(file, path)) {
    json["layout"] = {{"name", recognized->layout->name},
                      {"prefixes", recognized->weights.prefixes},
                      {"num_tensors", recognized->weights.tensors.size()},
                      {"left_out", printable_names(recognized->weights.left_out)}};
  }
  json["state_dict"] = file.state_dict.empty() ? Json() : Json(printable(file.state_dict));
  json["state_dicts"] = printable_names(file.state_dicts);
  json["metadata"] = Json::object();
  for (const auto& [key, value] : file.metadata) json["metadata"][key] = value;
  json["tensors"] = Json::array();
  for (const auto& [name, tensor] : file.tensors) {
    json["tensors"].push_back({{"name", printable(name)},
                               {"dtype", c10::toString(tensor.scalar_type())},
                               {"shape", tensor.sizes().vec()},
                               {"not_finite", count_not_finite(tensor)}});
  }
  json["unread_tensors"] = Json::object();
  for (const auto& [name, kind] : file.unread) json["unread_tensors"][printable(name)] = kind;
  json["other_contents"] = file.other_contents;
  return json;
}

void print_state_dicts(const CheckpointFile& file) {
  if (!file.state_dict.empty()) {
    std::cout << fmt::format("state dict: {}\n", printable(file.state_dict));
  }
  if (file.state_dicts.size() < 2) return;
  std::vector<std::string> places;
  for (const std::string& place : file.state_dicts) {
    places.push_back(place.empty() ? "the top of the file" : printable(place));
  }
  std::cout << fmt::format(
      "state dicts: {} (choose one with --state-dict, or with the option "
      "state_dict of a component)\n",
      fmt::join(places, ", "));
}

void print_text(const CheckpointFile& file, const std::string& path) {
  std::int64_t elements = 0, not_finite = 0;
  for (const auto& [name, tensor] : file.tensors) {
    const std::int64_t bad = count_not_finite(tensor);
    std::cout << fmt::format("{:<72} {:<10} [{}]{}\n", printable(name),
                             c10::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), ", "),
                             bad > 0 ? fmt::format("  {} not finite", bad) : "");
    elements += tensor.numel();
    not_finite += bad;
  }
  for (const auto& [name, kind] : file.unread) {
    std::cout << fmt::format("{:<72} {}: not read\n", printable(name), kind);
  }
  std::cout << fmt::format("\n{}: {}, {} tensors, {} numbers\nsha256 {}\n", path,
                           file.layout.empty() ? "no named weights" : file.layout,
                           file.tensors.size(), elements, file.sha256);
  const auto recognized = recognize(file, path);
  std::cout << "layout: " << (recognized ? describe(*recognized) : "not recognised") << "\n";
  print_state_dicts(file);
  for (const auto& [key, value] : file.metadata) {
    std::cout << fmt::format("metadata {}: {}\n", printable(key), printable(value));
  }
  for (const std::string& line : file.other_contents) std::cout << "also holds " << line << "\n";
  if (not_finite > 0) spdlog::warn("{}: {} weights are NaN or infinite", path, not_finite);
}

int inspect(const po::variables_map& options, const std::vector<std::string>& files) {
  if (files.size() != 1) {
    throw Error({.what = "inspect takes one file", .next = "see roboimi checkpoint --help"});
  }
  const CheckpointFile file =
      inspect_checkpoint_file(files[0], options["state-dict"].as<std::string>());
  if (options.contains("json")) {
    std::cout << json_text(to_json(file, files[0])) << "\n";
  } else {
    print_text(file, files[0]);
  }
  return EXIT_SUCCESS;
}

const CheckpointLayout& layout_named(const std::string& name) {
  std::vector<std::string> names;
  for (const CheckpointLayout& layout : checkpoint_layouts()) {
    if (layout.name == name) return layout;
    names.push_back(layout.name);
  }
  throw Error({.what = name.empty() ? "--layout is missing" : "unknown layout '" + name + "'",
               .expected = fmt::format("one of {}", fmt::join(names, ", ")),
               .next = did_you_mean(name, names)});
}

// What the encoder must be fed with: the given option, else what the input file says, else the
// default.
std::map<std::string, std::string> fusion_metadata(const po::variables_map& options,
                                                   const CheckpointFile& input) {
  const std::map<std::string, std::string> option_of = {
      {"roboimi.fusion.layout", "fusion"}, {"roboimi.fusion.camera_names", "cameras"},
      {"roboimi.fusion.resize", "resize"}, {"roboimi.fusion.height", "height"},
      {"roboimi.fusion.width", "width"},   {"roboimi.preprocessing", "preprocessing"}};
  std::map<std::string, std::string> metadata;
  for (const auto& [key, option] : option_of) {
    const auto known = input.metadata.find(key);
    const bool given = !options[option].defaulted();
    metadata[key] =
        !given && known != input.metadata.end() ? known->second : options[option].as<std::string>();
  }
  return metadata;
}

void check_choice(const std::map<std::string, std::string>& metadata, const std::string& key,
                  const std::vector<std::string>& choices) {
  const std::string& value = metadata.at(key);
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  throw Error({.what = "wrong " + key,
               .expected = fmt::format("one of {}", fmt::join(choices, ", ")),
               .found = "'" + printable(value) + "'"});
}

void check_side(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const std::string& value = metadata.at(key);
  const bool digits = !value.empty() && value.size() < 6 &&
                      value.find_first_not_of("0123456789") == std::string::npos;
  if (digits && std::stoi(value) > 0) return;
  throw Error({.what = "wrong " + key,
               .expected = "a number of pixels",
               .found = "'" + printable(value) + "'"});
}

// Matrices and filters in the type asked for. What has one dimension (norms, biases, statistics) is
// a hundredth of a file, and keeps its digits.
std::map<std::string, at::Tensor> cast_weights(const std::map<std::string, at::Tensor>& tensors,
                                               const std::string& dtype) {
  if (dtype == "keep") return tensors;
  const std::map<std::string, at::ScalarType> types = {
      {"fp32", at::kFloat}, {"fp16", at::kHalf}, {"bf16", at::kBFloat16}};
  const auto type = types.find(dtype);
  if (type == types.end()) {
    throw Error({.what = "wrong --dtype",
                 .expected = "one of keep, fp32, fp16, bf16",
                 .found = "'" + printable(dtype) + "'"});
  }
  std::map<std::string, at::Tensor> cast;
  for (const auto& [name, tensor] : tensors) {
    const bool is_weight = tensor.is_floating_point() && tensor.dim() >= 2;
    cast[name] = is_weight ? tensor.to(type->second) : tensor;
  }
  return cast;
}

int convert(const po::variables_map& options, const std::vector<std::string>& files) {
  if (files.size() != 2) {
    throw Error(
        {.what = "convert takes an input and an output", .next = "see roboimi checkpoint --help"});
  }
  const CheckpointLayout& layout = layout_named(options["layout"].as<std::string>());
  const CheckpointFile input =
      read_checkpoint_file(files[0], options["state-dict"].as<std::string>());
  auto metadata = fusion_metadata(options, input);
  check_choice(metadata, "roboimi.fusion.layout", {"horizontal", "vertical", "grid"});
  check_choice(metadata, "roboimi.fusion.resize", {"exact", "shorter_side"});
  check_side(metadata, "roboimi.fusion.height");
  check_side(metadata, "roboimi.fusion.width");
  const WeightSelection weights = select_weights(input, layout.weights, files[0]);
  const auto missing = weights.missing(layout.weights.expected);
  if (!missing.empty()) {
    throw Error({.what = "the file has not all of the " + layout.name + " weights",
                 .where = files[0],
                 .expected = fmt::format("{}", fmt::join(missing, ", ")),
                 .found = fmt::format("{} tensors, {} of them of this layout", input.tensors.size(),
                                      weights.tensors.size()),
                 .next = "see what it holds: roboimi checkpoint inspect " + files[0]});
  }
  for (const auto& [name, tensor] : weights.tensors) {
    const std::int64_t bad = count_not_finite(tensor);
    if (bad > 0) spdlog::warn("{}: {} of {} are NaN or infinite", name, bad, tensor.numel());
  }
  metadata["roboimi.layout"] = layout.name;
  metadata["roboimi.source.sha256"] = input.sha256;
  write_safetensors(files[1], cast_weights(weights.tensors, options["dtype"].as<std::string>()),
                    metadata);
  std::cout << fmt::format("{}: {}\n", files[1], describe({&layout, weights}));
  for (const auto& [key, value] : metadata) std::cout << fmt::format("  {}: {}\n", key, value);
  return EXIT_SUCCESS;
}

po::options_description visible_options() {
  const auto text = [](const char* value) {
    return po::value<std::string>()->default_value(value);
  };
  po::options_description options("options");
  options.add_options()("help,h", "this text")("json", "inspect: print JSON")(
      "layout", text(""), "convert: the set of names, lewm")(
      "state-dict", text(""), "which weights, where FILE holds several: state_dicts.ema_model")(
      "fusion", text("horizontal"), "how views are joined: horizontal, vertical, grid")(
      "cameras", text("front,top,r_vis"), "the order in which they are joined")(
      "resize", text("exact"), "exact (height x width), or shorter_side (aspect kept)")(
      "height", text("224"), "pixels; of the shorter side with shorter_side")(
      "width", text("224"), "pixels; the same as height with shorter_side")(
      "dtype", text("keep"), "convert: type of the weights: keep, fp32, fp16, bf16")(
      "preprocessing", text("imagenet_then_antialiased_bilinear"), "what the encoder was fed with");
  return options;
}

}  // namespace

int checkpoint_command(const Arguments& arguments) {
  const po::options_description visible = visible_options();
  auto [options, words] = parse_arguments(arguments, visible);
  for (std::string& word : words) word = expand_home(word);
  if (options.contains("help")) {
    std::cout << kUsage << visible << kExample;
    return EXIT_SUCCESS;
  }
  const std::string action = words.empty() ? "" : words[0];
  if (action == "inspect") return inspect(options, {words.begin() + 1, words.end()});
  if (action == "convert") return convert(options, {words.begin() + 1, words.end()});
  if (action == "verify") return verify_checkpoints({words.begin() + 1, words.end()});
  throw Error({.what = action.empty() ? "what to do is missing" : "unknown action '" + action + "'",
               .expected = "inspect, convert or verify",
               .next = "see roboimi checkpoint --help"});
}

}  // namespace roboimi::app
