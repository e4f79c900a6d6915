// `roboimi data convert`: writes datasets in another format.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/converted_folder.h"
#include "app/data_command.h"
#include "app/data_conversion.h"
#include "app/data_source.h"
#include "app/interruptible.h"
#include "roboimi/common/error.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/paths.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/data/cache_folder.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/track/progress.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kConvertForm = "roboimi data convert IN ... OUT [options]";
constexpr const char* kConvertUsage =
    R"(usage: roboimi data convert IN ... OUT [data.KEY=VALUE ...] [writer.KEY=VALUE ...] [options]

Writes the episodes of one or several datasets into the new folder OUT. All streams that are read are
kept; to read depth and vectors in HDF5, list them: data.stream_names=[NAME,...,task]. data.KEY=VALUE
applies to every IN. If interrupted, the same command resumes: complete episodes are kept.

)";
constexpr const char* kConvertExample = R"(
example: roboimi data convert data/sim_transfer data/sim_transfer_lerobot
         roboimi data convert monday tuesday both --to hdf5 --cameras front,wrist --resize 240x320
)";

constexpr std::size_t kMostInputs = 1000;

po::options_description convert_options() {
  po::options_description options("options");
  options.add_options()("to", po::value<std::string>()->value_name("FORMAT"),
                        "episode writer: hdf5, lerobot or a component's name; default: lerobot "
                        "for data in ACT's HDF5, else hdf5")(
      "episodes", po::value<std::string>()->value_name("LIST"),
      "episodes to write, counted from 0 over all IN, such as 0-9,12; default: all")(
      "cameras", po::value<std::string>()->value_name("LIST"),
      "image streams to keep, in this order, such as front,wrist; default: all")(
      "resize", po::value<std::string>()->value_name("HxW"),
      "size of all images in pixels, such as 240x320");
  add_data_options(options);
  return options;
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

ImageSize parse_size(const std::string& text) {
  ImageSize size;
  const char* const end = text.data() + text.size();
  const auto height = std::from_chars(text.data(), end, size.height);
  const bool has_cross = height.ec == std::errc() && height.ptr != end && *height.ptr == 'x';
  const auto width = std::from_chars(has_cross ? height.ptr + 1 : end, end, size.width);
  const bool fits = has_cross && width.ec == std::errc() && width.ptr == end && size.height > 0 &&
                    size.width > 0 && size.height <= 8192 && size.width <= 8192;
  if (fits) return size;
  throw Error({.what = "invalid size of images",
               .where = "--resize",
               .expected = "HEIGHTxWIDTH in pixels, such as 240x320",
               .found = "'" + text + "'"});
}

ConversionChoice choice_from(const po::variables_map& values) {
  const auto text = [&](const char* option) {
    return values.count(option) == 0 ? std::string() : values[option].as<std::string>();
  };
  ConversionChoice choice{.cameras = split_list(text("cameras"))};
  if (values.count("resize") != 0) choice.resize = parse_size(text("resize"));
  if (values.count("episodes") != 0) choice.episodes = {text("episodes")};
  return choice;
}

// The component that `--to` names: its whole name, or the part before "_episode_writer".
std::string writer_named(const std::string& format) {
  constexpr std::string_view kEnd = "_episode_writer";
  std::vector<std::string> formats;
  for (const ComponentInfo& component : Registry::instance().components()) {
    if (component.kind != ComponentKind::kEpisodeWriter) continue;
    const std::string& name = component.name;
    const std::string own = name.ends_with(kEnd) ? name.substr(0, name.size() - kEnd.size()) : name;
    if (name == format || own == format) return name;
    formats.push_back(own);
  }
  throw Error({.what = "no plugin writes the format '" + format + "'",
               .where = "--to",
               .expected = fmt::format("{}", fmt::join(formats, " or ")),
               .next = did_you_mean(format, formats)});
}

struct ConvertJob {
  std::vector<DataSource> sources;
  ConfigNode writer;
  fs::path output;
};

ConvertJob read_convert_job(ParsedArguments& parsed) {
  std::vector<std::string> paths = take_paths(parsed.words, 2, kMostInputs, kConvertForm);
  ConvertJob job{.writer = ConfigNode::map({.file = "command line"}), .output = paths.back()};
  paths.pop_back();
  // Options of the datasets and of the writer.
  const auto is_of_writer = [](const std::string& word) { return word.starts_with("writer."); };
  std::vector<std::string> of_data, of_writer;
  std::ranges::partition_copy(parsed.words, std::back_inserter(of_writer),
                              std::back_inserter(of_data), is_of_writer);
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::equivalent(path, job.output, error)) {
      throw Error({.what = "OUT is also an input",
                   .where = job.output.string(),
                   .expected = "a new folder",
                   .next = "choose another folder"});
    }
    job.sources.push_back(open_data(path, parsed.values, of_data));
  }
  apply_data_overrides(job.writer, "writer", of_writer);
  const bool is_act = job.sources.front().type == "hdf5_dataset";
  const std::string format = parsed.values.count("to") != 0 ? parsed.values["to"].as<std::string>()
                             : is_act                       ? "lerobot"
                                                            : "hdf5";
  if (job.writer.find("plugin") == nullptr && job.writer.find("type") == nullptr) {
    job.writer.set("type", ConfigNode::scalar(writer_named(format), {.file = "command line"}));
  }
  return job;
}

// Everything on which the converted episodes depend.
std::string settings_of_conversion(const ConvertJob& job, const ConversionChoice& choice) {
  Registry& registry = Registry::instance();
  std::string text;
  for (const DataSource& source : job.sources) {
    text += fmt::format(
        "input: {}\ndata {}\n{}", source.type,
        data_fingerprint(*source.dataset, /*hash_contents=*/false),
        registry.options_of(ComponentKind::kDataset, source.config, "data").to_node().to_yaml());
    if (!text.ends_with('\n')) text += '\n';
  }
  text += fmt::format("episodes: {}\ncameras: {}\n", fmt::join(choice.episodes, ","),
                      fmt::join(choice.cameras, ","));
  if (choice.resize) {
    text += fmt::format("resize: {}x{}\n", choice.resize->height, choice.resize->width);
  }
  text += fmt::format(
      "writer: {}\n{}", registry.selected(ComponentKind::kEpisodeWriter, job.writer, "writer").name,
      registry.options_of(ComponentKind::kEpisodeWriter, job.writer, "writer").to_node().to_yaml());
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

// LeRobot's tables have a rate, so an unknown one is an error before anything is written.
void require_rate(const ConvertJob& job, const DataConversion& conversion) {
  const std::string writer =
      Registry::instance().selected(ComponentKind::kEpisodeWriter, job.writer, "writer").name;
  if (writer != "lerobot_episode_writer" || conversion.spec().control_hz > 0.0) return;
  throw Error({.what = "the control rate of the data is unknown, and LeRobot stores one",
               .where = job.sources.front().path.string(),
               .expected = "a recorded rate, or the option control_hz",
               .next = "add data.control_hz=HZ, or write HDF5: --to hdf5"});
}

struct ConvertOutcome {
  std::int64_t num_kept = 0, num_written = 0;
  double seconds = 0.0;
};

void print_conversion(const ConvertJob& job, const DataConversion& conversion,
                      const ConvertOutcome& outcome, bool json) {
  if (json) {
    const nlohmann::ordered_json summary = {{"output", job.output.string()},
                                            {"num_episodes", conversion.num_episodes()},
                                            {"num_kept", outcome.num_kept},
                                            {"seconds", outcome.seconds}};
    std::cout << json_text(summary) << "\n";
    return;
  }
  std::cout << fmt::format("{}: {} episodes ({} already existed), {:.1f} s\n", job.output.string(),
                           conversion.num_episodes(), outcome.num_kept, outcome.seconds);
}

int convert_data(const ConvertJob& job, const ConversionChoice& choice, bool json) {
  // Check everything before the folder is created.
  std::vector<std::shared_ptr<const Dataset>> datasets;
  for (const DataSource& source : job.sources) datasets.push_back(source.dataset);
  const DataConversion conversion(datasets, choice);
  const auto writer = Registry::instance().create<EpisodeWriter>(job.writer, "writer");
  require_rate(job, conversion);
  const StopRequest stop;
  const ConvertedFolder folder(job.output, writer, settings_of_conversion(job, choice));
  // Write the episodes that are missing.
  const auto started = std::chrono::steady_clock::now();
  ConvertOutcome outcome;
  Progress progress("convert", conversion.num_episodes());
  const int status = interruptible([&] {
    const auto should_stop = [&] { return stop.requested(); };
    for (std::int64_t i = 0; i < conversion.num_episodes(); ++i) {
      if (stop.requested()) throw Interrupted("interrupted");
      if (folder.has(i)) {
        ++outcome.num_kept;
      } else {
        folder.add(conversion.record(i, should_stop), i);
        ++outcome.num_written;
      }
      progress.update(i + 1, "");
    }
    folder.finish();
  });
  progress.clear();
  if (status != EXIT_SUCCESS) {
    std::cerr << "interrupted; run the same command again to resume\n";
    return status;
  }
  outcome.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  print_conversion(job, conversion, outcome, json);
  return EXIT_SUCCESS;
}

}  // namespace

int data_convert(const Arguments& words) {
  ParsedArguments parsed = parse_arguments(words, convert_options());
  if (parsed.values.count("help") != 0) {
    std::cout << kConvertUsage << convert_options() << kConvertExample;
    return EXIT_SUCCESS;
  }
  // libtorch's threads busy-wait for each other, which makes operations on frames 20 times slower
  // on a busy machine.
  at::set_num_threads(1);
  const ConversionChoice choice = choice_from(parsed.values);
  const ConvertJob job = read_convert_job(parsed);
  return convert_data(job, choice, parsed.values["json"].as<bool>());
}

}  // namespace roboimi::app
