#include "roboimi/train/run_folder.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <torch/version.h>
#include <unistd.h>

#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>
#include <regex>
#include <tuple>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/checkpoint/checkpoint_folder.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/log.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/processes.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/track/append_file.h"
#include "roboimi/track/swanlab_follower.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

nlohmann::ordered_json plugins_json() {
  auto plugins = nlohmann::ordered_json::array();
  for (const LoadedPlugin& plugin : Registry::instance().plugins()) {
    nlohmann::ordered_json entry = {{"name", plugin.name}, {"version", plugin.version}};
    if (fs::exists(plugin.file)) {
      entry["file"] = fs::absolute(plugin.file).string();
      entry["sha256"] = sha256_file(plugin.file);
    }
    plugins.push_back(entry);
  }
  return plugins;
}

nlohmann::json read_record(const fs::path& run) {
  const fs::path file = run / "run.json";
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return {};
  return nlohmann::json::parse(read_text(file), nullptr, /*allow_exceptions=*/false);
}

// Whether the folder is a run of exactly this name, according to its run.json or, if that cannot be
// read, to the folder's name <date>_<time>_<name>.
bool is_run_of(const fs::path& run, const std::string& name) {
  const auto record = read_record(run);
  if (record.is_object() && record.contains("name")) return record["name"] == name;
  static const std::regex pattern("[0-9]{8}_[0-9]{6}_(.*)");
  std::smatch match;
  const std::string own = run.filename().string();
  return std::regex_match(own, match, pattern) && match[1] == name;
}

// The UTC time, as in run.json, of a folder named <date>_<time>_... in local time; empty for
// another name.
std::string time_in_name(const std::string& folder) {
  std::tm parts{};
  const char* const end = ::strptime(folder.c_str(), "%Y%m%d_%H%M%S_", &parts);
  if (end == nullptr) return "";
  parts.tm_isdst = -1;  // unknown: in the hour that a change of clocks repeats, either
  const std::time_t time = std::mktime(&parts);
  return time < 0 ? "" : fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time));
}

// Writes each log line with one write to a file that is not a link.
class LogSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LogSink(const fs::path& file) : file_(file) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    file_.append({line.data(), line.size()});
  }
  void flush_() override {}

  AppendFile file_;
};

}  // namespace

fs::path create_run_folder(const fs::path& output_dir, const std::string& name) {
  std::error_code error;
  fs::create_directories(output_dir, error);
  const std::time_t now = std::time(nullptr);
  const std::string stem = fmt::format("{:%Y%m%d_%H%M%S}_{}", fmt::localtime(now), name);
  for (int attempt = 1; !error && attempt < 1000; ++attempt) {
    const fs::path folder =
        output_dir / (attempt == 1 ? stem : fmt::format("{}_{}", stem, attempt));
    // Creating the folder is the existence check, so that simultaneous runs get different folders.
    if (fs::create_directory(folder, error)) return folder;
  }
  throw Error({.what = "cannot create the run's folder: " + error.message(),
               .where = (output_dir / stem).string(),
               .next = "set output_dir to a writable folder"});
}

bool has_checkpoint(const fs::path& run) {
  if (run.empty()) return false;
  for (const CheckpointFolder& item : checkpoints_in(run / kCheckpointsFolder)) {
    std::error_code error;
    if (fs::exists(item.path / "state.json", error)) return true;
  }
  return false;
}

std::string creation_time(const fs::path& run) {
  const auto record = read_record(run);
  if (record.is_object() && record.contains("created") && record["created"].is_string()) {
    return record["created"];
  }
  return time_in_name(run.filename().string());
}

bool is_newer_run(const fs::path& a, const fs::path& b) {
  // Within one second, create_run_folder() adds _2, _3, ..., _10.
  const auto order = [](const fs::path& run) {
    const std::string name = run.filename().string();
    return std::make_tuple(creation_time(run), name.size(), name);
  };
  return order(a) > order(b);
}

fs::path newest_run_folder(const fs::path& output_dir, const std::string& name) {
  std::optional<fs::path> newest;
  if (fs::is_directory(output_dir)) {
    for (const auto& item : fs::directory_iterator(output_dir)) {
      const fs::path& folder = item.path();
      if (!is_run_of(folder, name) || !has_checkpoint(folder)) continue;
      if (!newest || is_newer_run(folder, *newest)) newest = folder;
    }
  }
  if (newest) return *newest;
  throw Error({.what = "no run to resume",
               .where = output_dir.string(),
               .expected = "a folder <date>_<time>_" + name + " with a checkpoint",
               .next = "name a run folder: --resume RUN_DIR"});
}

void write_run_record(const fs::path& folder, const RunRecord& record) {
  // The process and its command.
  nlohmann::ordered_json json = {{"name", record.name}, {"status", record.status}};
  const ProcessIdentity process = identify_process(::getpid());
  json["pid"] = ::getpid();
  json["process_start"] = {{"ticks", process.start_ticks}, {"boot_id", process.boot_id}};
  json["host"] = host_name();
  if (!record.created.empty()) json["created"] = record.created;
  json["written"] = time_now();
  json["working_directory"] = fs::current_path().string();
  json["command"] = record.command;
  json["choices"] = record.choices;
  // Device, threads, versions and plugins.
  json["device"] = record.device;
  json["threads"] = record.threads;
  json["processes"] = record.processes;
  if (record.resumed_step) json["resumed_step"] = *record.resumed_step;
  json["versions"] = {{"libtorch", TORCH_VERSION}, {"compiler", __VERSION__}};
  json["plugins"] = plugins_json();
  json["data"] = {{"fingerprint", record.data_fingerprint},
                  {"num_episodes", record.num_episodes},
                  {"num_windows", record.num_windows}};
  json["num_parameters"] = record.num_parameters;
  json["tracker_urls"] = tracker_urls(folder);
  write_text_atomically(folder / "run.json", json_text(json) + "\n");
}

std::string observed_status(const fs::path& run_folder) {
  const auto record = read_record(run_folder);
  try {
    const std::string status = record.at("status");
    if (status != kRunning || record.at("host") != host_name()) return status;
    ProcessIdentity process{.pid = record.at("pid")};
    if (record.contains("process_start")) {
      record["process_start"].at("ticks").get_to(process.start_ticks);
      record["process_start"].at("boot_id").get_to(process.boot_id);
    } else {
      // Older records have no start time: any process with this ID counts as the run's.
      process = identify_process(static_cast<pid_t>(process.pid));
    }
    return is_alive(process) ? status : kLost;
  } catch (const nlohmann::json::exception&) {
    return "";
  }
}

std::string recorded_data_fingerprint(const fs::path& run_folder) {
  const auto record = read_record(run_folder);
  try {
    return record.at("data").at("fingerprint");
  } catch (const nlohmann::json::exception&) {
    return "";
  }
}

LogKeeper::LogKeeper() {
  constexpr std::size_t kMostLines = 1000;
  sink_ = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(kMostLines);
  logger().sinks().push_back(sink_);
}

LogKeeper::~LogKeeper() { detach(); }

void LogKeeper::detach() { std::erase(logger().sinks(), sink_); }

void LogKeeper::write_to(const fs::path& file) {
  detach();
  AppendFile log(file);
  auto& kept = static_cast<spdlog::sinks::ringbuffer_sink_mt&>(*sink_);
  for (const std::string& line : kept.last_formatted()) log.append(line);
}

LogFile::LogFile(const fs::path& file) : sink_(std::make_shared<LogSink>(file)) {
  sink_->set_level(spdlog::level::debug);
  // Only the file gets debug messages: keep the former level for the existing sinks.
  spdlog::logger& logger = roboimi::logger();
  former_level_ = static_cast<int>(logger.level());
  for (const auto& sink : logger.sinks()) {
    sink->set_level(std::max(sink->level(), logger.level()));
  }
  logger.sinks().push_back(sink_);
  logger.set_level(std::min(logger.level(), spdlog::level::debug));
}

LogFile::~LogFile() {
  spdlog::logger& logger = roboimi::logger();
  std::erase(logger.sinks(), sink_);
  logger.set_level(static_cast<spdlog::level::level_enum>(former_level_));
}

}  // namespace roboimi
