// The command `roboimi checkpoint`, which inspects, converts and verifies files of weights.
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

constexpr const char* kCheckpointUsage =
    "usage: roboimi checkpoint inspect FILE [--json]\n"
    "       roboimi checkpoint convert IN OUT.safetensors --layout lewm [options]\n"
    "       roboimi checkpoint verify RUN_DIR|CHECKPOINT_DIR\n\n"
    "FILE is a safetensors file, or a file written by torch.save: a state_dict, a Lightning\n"
    "checkpoint or a whole module. It may also be the index of a sharded checkpoint, or the "
    "folder\n"
    "with the index. No code in the file is executed.\n\n";
constexpr const char* kCheckpointExample =
    "\nexample: roboimi checkpoint inspect lewm.ckpt\n"
    "         roboimi checkpoint convert lewm.ckpt lewm.safetensors --layout lewm \\\n"
    "             --fusion horizontal --cameras front,top,r_vis --resize exact\n";

// A layout whose expected names are all in the file.
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
    } catch (const Error&) {  // not this layout, or ambiguous: the list of tensors shows it
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
      "{} ({} tensors, {}{}, {} others not used)", recognized.layout->name, weights.tensors.size(),
      weights.prefixes.empty() ? "no prefix"
                               : fmt::format("prefix {}", fmt::join(weights.prefixes, " ")),
      weights.renamed > 0 ? ", newer names" : "", weights.left_out.size());
}

Json checkpoint_json(const CheckpointFile& file, const std::string& path) {
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
      "state dicts: {} (select one with --state-dict, or with the option state_dict of a "
      "component)\n",
      fmt::join(places, ", "));
}

void print_checkpoint(const CheckpointFile& file, const std::string& path) {
  // List the tensors.
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
  // Describe the file as a whole.
  std::cout << fmt::format("\n{}: {}, {} tensors, {} numbers\nsha256 {}\n", path,
                           file.layout.empty() ? "no named weights" : file.layout,
                           file.tensors.size(), elements, file.sha256);
  const auto recognized = recognize(file, path);
  std::cout << "layout: " << (recognized ? describe(*recognized) : "not recognized") << "\n";
  print_state_dicts(file);
  for (const auto& [key, value] : file.metadata) {
    std::cout << fmt::format("metadata {}: {}\n", printable(key), printable(value));
  }
  for (const std::string& line : file.other_contents) std::cout << "also contains " << line << "\n";
  if (not_finite > 0) spdlog::warn("{}: {} weights are NaN or infinite", path, not_finite);
}

int inspect_weights(const po::variables_map& options, const std::vector<std::string>& files) {
  if (files.size() != 1) {
    throw Error({.what = "inspect takes one file", .next = "see roboimi checkpoint --help"});
  }
  const CheckpointFile file =
      inspect_checkpoint_file(files[0], options["state-dict"].as<std::string>());
  if (options.contains("json")) {
    std::cout << json_text(checkpoint_json(file, files[0])) << "\n";
  } else {
    print_checkpoint(file, files[0]);
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

// The preprocessing that the encoder expects: from the option if it is given, else from the
// metadata of the input file, else the default.
std::map<std::string, std::string> fusion_metadata(const po::variables_map& options,
                                                   const CheckpointFile& input) {
  const std::map<std::string, std::string> option_of = {
      {"roboimi.fusion.layout", "fusion"}, {"roboimi.fusion.camera_names", "cameras"},
      {"roboimi.fusion.resize", "resize"}, {"roboimi.fusion.height", "height"},
      {"roboimi.fusion.width", "width"},   {"roboimi.preprocessing", "preprocessing"}};
  std::map<std::string, std::string> metadata;
  for (const auto& [key, option] : option_of) {
    const auto recorded = input.metadata.find(key);
    const bool uses_recorded = options[option].defaulted() && recorded != input.metadata.end();
    metadata[key] = uses_recorded ? recorded->second : options[option].as<std::string>();
  }
  return metadata;
}

void check_choice(const std::map<std::string, std::string>& metadata, const std::string& key,
                  const std::vector<std::string>& choices) {
  const std::string& value = metadata.at(key);
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  throw Error({.what = "invalid " + key,
               .expected = fmt::format("one of {}", fmt::join(choices, ", ")),
               .found = "'" + printable(value) + "'"});
}

void check_side(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const std::string& value = metadata.at(key);
  const bool digits = !value.empty() && value.size() < 6 &&
                      value.find_first_not_of("0123456789") == std::string::npos;
  if (digits && std::stoi(value) > 0) return;
  throw Error({.what = "invalid " + key,
               .expected = "a number of pixels",
               .found = "'" + printable(value) + "'"});
}

// Casts matrices and filters. Tensors of one dimension (norms, biases, statistics) keep their
// precision: they are about a hundredth of a file.
std::map<std::string, at::Tensor> cast_weights(const std::map<std::string, at::Tensor>& tensors,
                                               const std::string& dtype) {
  if (dtype == "keep") return tensors;
  const std::map<std::string, at::ScalarType> types = {
      {"fp32", at::kFloat}, {"fp16", at::kHalf}, {"bf16", at::kBFloat16}};
  const auto type = types.find(dtype);
  if (type == types.end()) {
    throw Error({.what = "invalid --dtype",
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

int convert_weights(const po::variables_map& options, const std::vector<std::string>& files) {
  if (files.size() != 2) {
    throw Error({.what = "convert takes an input file and an output file",
                 .next = "see roboimi checkpoint --help"});
  }
  // Read the input, and check the preprocessing that it is to record.
  const CheckpointLayout& layout = layout_named(options["layout"].as<std::string>());
  const CheckpointFile input =
      read_checkpoint_file(files[0], options["state-dict"].as<std::string>());
  auto metadata = fusion_metadata(options, input);
  check_choice(metadata, "roboimi.fusion.layout", {"horizontal", "vertical", "grid"});
  check_choice(metadata, "roboimi.fusion.resize", {"exact", "shorter_side"});
  check_side(metadata, "roboimi.fusion.height");
  check_side(metadata, "roboimi.fusion.width");
  // Select the weights of the layout.
  const WeightSelection weights = select_weights(input, layout.weights, files[0]);
  const auto missing = weights.missing(layout.weights.expected);
  if (!missing.empty()) {
    throw Error({.what = "the file lacks some of the " + layout.name + " weights",
                 .where = files[0],
                 .expected = fmt::format("{}", fmt::join(missing, ", ")),
                 .found = fmt::format("{} tensors, {} of them of this layout", input.tensors.size(),
                                      weights.tensors.size()),
                 .next = "list its contents: roboimi checkpoint inspect " + files[0]});
  }
  for (const auto& [name, tensor] : weights.tensors) {
    const std::int64_t bad = count_not_finite(tensor);
    if (bad > 0) spdlog::warn("{}: {} of {} are NaN or infinite", name, bad, tensor.numel());
  }
  // Write the output.
  metadata["roboimi.layout"] = layout.name;
  metadata["roboimi.source.sha256"] = input.sha256;
  write_safetensors(files[1], cast_weights(weights.tensors, options["dtype"].as<std::string>()),
                    metadata);
  std::cout << fmt::format("{}: {}\n", files[1], describe({&layout, weights}));
  for (const auto& [key, value] : metadata) std::cout << fmt::format("  {}: {}\n", key, value);
  return EXIT_SUCCESS;
}

po::options_description checkpoint_options() {
  const auto string = [](const char* value) {
    return po::value<std::string>()->default_value(value);
  };
  po::options_description options("options");
  options.add_options()("help,h", "print this help")("json", "inspect: print JSON")(
      "layout", string(""), "convert: name of the set of weights: lewm")(
      "state-dict", string(""),
      "which state dict to use if FILE has several, e.g. state_dicts.ema_model")(
      "fusion", string("horizontal"),
      "convert: arrangement of the views: horizontal, vertical, "
      "grid")("cameras", string("front,top,r_vis"), "convert: order of the views")(
      "resize", string("exact"),
      "convert: exact (height x width), or shorter_side (keeps the aspect ratio)")(
      "height", string("224"), "convert: pixels; with shorter_side, the length of that side")(
      "width", string("224"), "convert: pixels; with shorter_side, the same as height")(
      "dtype", string("keep"), "convert: type of the weights: keep, fp32, fp16, bf16")(
      "preprocessing", string("imagenet_then_antialiased_bilinear"),
      "convert: preprocessing with which the encoder was trained");
  return options;
}

}  // namespace

int checkpoint_command(const Arguments& arguments) {
  const po::options_description visible = checkpoint_options();
  auto [options, words] = parse_arguments(arguments, visible);
  for (std::string& word : words) word = expand_home(word);
  if (options.contains("help")) {
    std::cout << kCheckpointUsage << visible << kCheckpointExample;
    return EXIT_SUCCESS;
  }
  const std::string action = words.empty() ? "" : words[0];
  if (action == "inspect") return inspect_weights(options, {words.begin() + 1, words.end()});
  if (action == "convert") return convert_weights(options, {words.begin() + 1, words.end()});
  if (action == "verify") return verify_checkpoints({words.begin() + 1, words.end()});
  throw Error(
      {.what = action.empty() ? "no command given" : "unknown command 'checkpoint " + action + "'",
       .expected = "inspect, convert or verify",
       .next = did_you_mean(action, {"inspect", "convert", "verify"},
                            "see roboimi checkpoint --help")});
}

}  // namespace roboimi::app
