// `roboimi data info`: the contents of a dataset, and what is odd about it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "app/cache_files.h"
#include "app/data_command.h"
#include "app/data_findings.h"
#include "app/data_source.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/text.h"
#include "roboimi/data/checked_reads.h"
#include "roboimi/track/progress.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

constexpr std::chrono::seconds kQuietTime{2};
constexpr std::int64_t kListedUnreadable = 20;  // parts that cannot be read
constexpr const char* kUnreadableKind = "unreadable";
constexpr const char* kInfoForm = "roboimi data info PATH [data.KEY=VALUE ...]";
constexpr const char* kInfoUsage = R"(usage: roboimi data info PATH [data.KEY=VALUE ...] [options]

Shows the format, episodes, streams, tasks and sizes of a dataset, and what is odd about it, one
line each: values that are not finite, constant dimensions, jumps (a step over 20 times the median
step of its dimension, over 20 times the motion in the rows around it, and over 10 % of its range;
not in a dimension that dwells at two levels, such as a gripper; one line if it jumps in over two
episodes),
episodes shorter than a quarter of the median, actions that never change, and episodes or arrays
that cannot be read. Numbers of episodes are positions from 0 in the dataset.

)";
constexpr const char* kInfoExample = R"(
example: roboimi data info data/sim_transfer
         roboimi data info recordings.hdf5 --json
)";

struct LengthSummary {
  std::int64_t total = 0, min = 0, max = 0;
  double median = 0.0;
};

struct TaskCount {
  std::string stream, text;
  std::int64_t num_episodes = 0;
};

struct DataSummary {
  DataSource source;
  LengthSummary rows;
  std::vector<TaskCount> tasks;
  std::uint64_t bytes = 0;        // of the files
  std::uint64_t frame_bytes = 0;  // of all decoded frames
  std::vector<CacheFile> caches;
  std::vector<DataFinding> findings;
};

LengthSummary summarize_lengths(const Dataset& dataset) {
  std::vector<double> lengths;
  LengthSummary summary;
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    const std::int64_t length = dataset.episode(i).length;
    summary.total += length;
    summary.min = i == 0 ? length : std::min(summary.min, length);
    summary.max = std::max(summary.max, length);
    lengths.push_back(static_cast<double>(length));
  }
  summary.median = median_of(std::move(lengths));
  return summary;
}

// The distinct strings in the rows of an episode: an instruction may change within it.
std::set<std::string> distinct_texts(const Dataset& dataset, std::int64_t episode,
                                     const std::string& stream) {
  const std::int64_t length = dataset.episode(episode).length;
  const at::Tensor rows = read_stream(dataset, episode, stream, 0, length).contiguous();
  const auto* const bytes = rows.const_data_ptr<std::uint8_t>();
  const auto width = static_cast<std::size_t>(rows.size(1));
  std::set<std::string> texts;
  for (std::int64_t row = 0; row < length; ++row) {
    const std::uint8_t* const text = bytes + static_cast<std::size_t>(row) * width;
    if (row == 0 || std::memcmp(text, text - width, width) != 0) texts.insert(text_of(rows[row]));
  }
  return texts;
}

// The distinct strings by the number of episodes that contain them, most frequent first.
// Unreadable ones are already among the findings.
std::vector<TaskCount> count_tasks(const Dataset& dataset) {
  std::vector<TaskCount> tasks;
  for (const StreamSpec& stream : dataset.spec().streams) {
    if (stream.kind != StreamKind::kText) continue;
    std::map<std::string, std::int64_t> counts;
    for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
      try {
        for (const std::string& text : distinct_texts(dataset, i, stream.name)) ++counts[text];
      } catch (const Error&) {
        ++counts["(unreadable)"];
      }
    }
    for (const auto& [text, count] : counts) tasks.push_back({stream.name, text, count});
  }
  std::ranges::stable_sort(tasks, std::greater(), &TaskCount::num_episodes);
  return tasks;
}

std::uint64_t bytes_of_files(const Dataset& dataset) {
  std::set<fs::path> seen;
  std::uint64_t bytes = 0;
  for (const fs::path& file : dataset.files()) {
    std::error_code error;
    if (!seen.insert(file).second) continue;
    const std::uintmax_t size = fs::file_size(file, error);
    if (!error) bytes += size;
  }
  return bytes;
}

std::uint64_t bytes_of_frames(const Dataset& dataset, std::int64_t num_rows) {
  std::uint64_t bytes = 0;
  for (const StreamSpec& stream : dataset.spec().streams) {
    if (!stream.is_image()) continue;
    std::uint64_t frame = c10::elementSize(stream.dtype);
    for (const std::int64_t side : stream.shape) frame *= static_cast<std::uint64_t>(side);
    bytes += frame * static_cast<std::uint64_t>(num_rows);
  }
  return bytes;
}

DataSummary summarize_data(DataSource source) {
  const Dataset& dataset = *source.dataset;
  DataSummary summary;
  summary.rows = summarize_lengths(dataset);
  summary.tasks = count_tasks(dataset);
  summary.bytes = bytes_of_files(dataset);
  summary.frame_bytes = bytes_of_frames(dataset, summary.rows.total);
  // A component's path may be something other than a file.
  std::error_code error;
  const bool has_files = fs::exists(source.path, error);
  for (const fs::path& folder :
       has_files ? cache_folders_of(source.path) : std::vector<fs::path>()) {
    const std::vector<CacheFile> files = cache_files_in(folder);
    summary.caches.insert(summary.caches.end(), files.begin(), files.end());
  }
  // A bar only if it takes long.
  const auto started = std::chrono::steady_clock::now();
  std::optional<Progress> progress;
  std::vector<DataFinding> found = find_oddities(dataset, [&](std::int64_t done) {
    if (std::chrono::steady_clock::now() - started < kQuietTime) return;
    if (!progress) progress.emplace("examine", dataset.num_episodes(), done);
    progress->update(done, "");
  });
  if (progress) progress->clear();
  for (const std::string& reason : source.unreadable) {
    summary.findings.push_back({kUnreadableKind, std::nullopt, reason});
  }
  summary.findings.insert(summary.findings.end(), found.begin(), found.end());
  summary.source = std::move(source);
  return summary;
}

std::string dtype_label(at::ScalarType dtype) {
  switch (dtype) {
    case at::kByte:
      return "uint8";
    case at::kUInt16:
      return "uint16";
    case at::kFloat:
      return "float32";
    default:
      return c10::toString(dtype);
  }
}

Json summary_json(const DataSummary& summary) {
  const ObservationSpec& spec = summary.source.dataset->spec();
  const auto rows = static_cast<double>(summary.rows.total);
  Json json = {{"path", summary.source.path.string()},
               {"format", summary.source.type},
               {"num_episodes", summary.source.dataset->num_episodes()},
               {"rows",
                {{"total", summary.rows.total},
                 {"min", summary.rows.min},
                 {"median", summary.rows.median},
                 {"max", summary.rows.max}}},
               {"control_hz", spec.control_hz},
               {"seconds", spec.control_hz > 0.0 ? Json(rows / spec.control_hz) : Json()},
               {"action_dim", spec.action_dim}};
  json["streams"] = Json::array();
  for (const StreamSpec& stream : spec.streams) {
    json["streams"].push_back({{"name", stream.name},
                               {"kind", to_string(stream.kind)},
                               {"shape", stream.shape},
                               {"dtype", dtype_label(stream.dtype)},
                               {"unit", stream.unit},
                               {"element_names", stream.element_names}});
  }
  json["tasks"] = Json::array();
  for (const TaskCount& task : summary.tasks) {
    json["tasks"].push_back(
        {{"stream", task.stream}, {"text", task.text}, {"num_episodes", task.num_episodes}});
  }
  json["bytes"] = summary.bytes;
  json["decoded_frame_bytes"] = summary.frame_bytes;
  json["caches"] = Json::array();
  for (const CacheFile& cache : summary.caches) {
    json["caches"].push_back(
        {{"file", cache.file.string()}, {"kind", cache.kind}, {"bytes", cache.bytes}});
  }
  json["findings"] = Json::array();
  for (const DataFinding& finding : summary.findings) {
    json["findings"].push_back({{"kind", finding.kind},
                                {"episode", finding.episode ? Json(*finding.episode) : Json()},
                                {"text", finding.text}});
  }
  return json;
}

// The width of the first column, which fits the name of every stream.
std::size_t name_width(const ObservationSpec& spec) {
  std::size_t width = 16;
  for (const StreamSpec& stream : spec.streams) {
    width = std::max(width, printable(stream.name, 60).size());
  }
  return width;
}

void print_streams(const ObservationSpec& spec) {
  std::cout << "streams\n";
  const std::size_t width = name_width(spec);
  for (const StreamSpec& stream : spec.streams) {
    std::vector<std::string> names;
    for (const std::string& name : stream.element_names) names.push_back(printable(name, 60));
    std::cout << fmt::format("  {:<{}} {:<7} [{}] {}{}{}\n", printable(stream.name, 60), width,
                             to_string(stream.kind), fmt::join(stream.shape, ", "),
                             dtype_label(stream.dtype),
                             stream.unit.empty() ? "" : ", " + printable(stream.unit, 40),
                             names.empty() ? "" : fmt::format(": {}", fmt::join(names, ", ")));
  }
  std::cout << fmt::format("  {:<{}} {:<7} [{}] float32\n", "action", width, "vector",
                           spec.action_dim);
}

void print_summary(const DataSummary& summary) {
  const ObservationSpec& spec = summary.source.dataset->spec();
  const LengthSummary& rows = summary.rows;
  const double hz = spec.control_hz;
  std::uint64_t cached = 0;
  for (const CacheFile& cache : summary.caches) cached += cache.bytes;
  std::cout << fmt::format(
      "path          {}\nformat        {}\nepisodes      {}\n"
      "rows          {} in total; shortest {}, median {:.0f}, longest {}\n"
      "control rate  {}\n"
      "size          {} on disk, {} of decoded frames, {} in caches ({} files)\n",
      printable(summary.source.path.string(), 1000), summary.source.type,
      summary.source.dataset->num_episodes(), rows.total, rows.min, rows.median, rows.max,
      hz > 0.0 ? fmt::format("{:g} Hz, {:.1f} s in total", hz, static_cast<double>(rows.total) / hz)
               : "unknown",
      size_text(summary.bytes), size_text(summary.frame_bytes), size_text(cached),
      summary.caches.size());
  print_streams(spec);
  if (!summary.tasks.empty()) std::cout << "texts\n";
  for (const TaskCount& task : summary.tasks) {
    std::cout << fmt::format("  {:<{}} {} of {} episodes: {}\n", printable(task.stream, 60),
                             name_width(spec), task.num_episodes,
                             summary.source.dataset->num_episodes(),
                             task.text.empty() ? "(empty)" : printable(task.text));
  }
  std::cout << (summary.findings.empty() ? "nothing odd\n" : "odd\n");
  std::int64_t num_unreadable = 0;
  for (const DataFinding& finding : summary.findings) {
    if (finding.kind == kUnreadableKind && ++num_unreadable > kListedUnreadable) continue;
    std::cout << "  " << finding.text << "\n";
  }
  if (num_unreadable > kListedUnreadable) {
    std::cout << fmt::format("  and {} more that cannot be read (--json lists all)\n",
                             num_unreadable - kListedUnreadable);
  }
}

}  // namespace

int data_info(const Arguments& words) {
  po::options_description options("options");
  add_data_options(options);
  ParsedArguments parsed = parse_arguments(words, options);
  if (parsed.values.count("help") != 0) {
    std::cout << kInfoUsage << options << kInfoExample;
    return EXIT_SUCCESS;
  }
  const std::string path = take_paths(parsed.words, 1, 1, kInfoForm).front();
  const DataSummary summary =
      summarize_data(open_data(path, parsed.values, parsed.words, UnreadableParts::kLeaveOut));
  if (parsed.values["json"].as<bool>()) {
    std::cout << json_text(summary_json(summary)) << "\n";
  } else {
    print_summary(summary);
  }
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
