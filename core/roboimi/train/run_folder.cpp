#include "roboimi/train/run_folder.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <torch/version.h>
#include <unistd.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/log.h"
#include "roboimi/common/origin.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/track/swanlab_follower.h"
#include "roboimi/train/checkpoint.h"

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

}  // namespace

fs::path create_run_folder(const fs::path& output_dir, const std::string& name) {
  std::error_code error;
  fs::create_directories(output_dir, error);
  const std::time_t now = std::time(nullptr);
  const std::string stem = fmt::format("{:%Y%m%d_%H%M%S}_{}", fmt::localtime(now), name);
  for (int attempt = 1; !error && attempt < 1000; ++attempt) {
    const fs::path folder =
        output_dir / (attempt == 1 ? stem : fmt::format("{}_{}", stem, attempt));
    // Creating is the test: two runs that start at once get two folders.
    if (fs::create_directory(folder, error)) return folder;
  }
  throw Error({.what = "cannot create the run's folder: " + error.message(),
               .where = (output_dir / stem).string(),
               .next = "set output_dir to a folder that can be written"});
}

bool has_checkpoint(const fs::path& run) {
  std::error_code error;
  return !run.empty() && fs::exists(run / kCheckpointsFolder / "latest" / "state.json", error);
}

fs::path newest_run_folder(const fs::path& output_dir, const std::string& name) {
  std::optional<fs::path> newest;
  if (fs::is_directory(output_dir)) {
    for (const auto& item : fs::directory_iterator(output_dir)) {
      const std::string folder = item.path().filename().string();
      const bool is_ours =
          folder.ends_with("_" + name) || folder.find("_" + name + "_") != std::string::npos;
      if (!is_ours || !has_checkpoint(item.path())) continue;
      if (!newest || folder > newest->filename().string()) newest = item.path();
    }
  }
  if (newest) return *newest;
  throw Error({.what = "no run to resume",
               .where = output_dir.string(),
               .expected = "a folder <date>_<time>_" + name + " with a checkpoint",
               .next = "name one: --resume RUN_DIR"});
}

std::string step_name(std::int64_t step) { return fmt::format("step_{:08}", step); }

void write_run_record(const fs::path& folder, const RunRecord& record) {
  nlohmann::ordered_json json = {{"name", record.name}, {"status", record.status}};
  json["pid"] = ::getpid();
  json["host"] = host_name();
  json["written"] = time_now();
  json["working_directory"] = fs::current_path().string();
  json["command"] = record.command;
  json["choices"] = record.choices;
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
  write_text_atomically(folder / "run.json", json.dump(2) + "\n");
}

LogFile::LogFile(const fs::path& file) {
  try {
    sink_ = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
  } catch (const spdlog::spdlog_ex& error) {
    throw Error(
        {.what = std::string("cannot write the log: ") + error.what(), .where = file.string()});
  }
  sink_->set_level(spdlog::level::debug);
  // Details go to the file alone: the sinks that were there stay as talkative as they were.
  spdlog::logger& logger = roboimi::logger();
  former_level_ = static_cast<int>(logger.level());
  for (const auto& sink : logger.sinks()) {
    sink->set_level(std::max(sink->level(), logger.level()));
  }
  logger.sinks().push_back(sink_);
  logger.set_level(std::min(logger.level(), spdlog::level::debug));
  logger.flush_on(spdlog::level::info);
}

LogFile::~LogFile() {
  spdlog::logger& logger = roboimi::logger();
  std::erase(logger.sinks(), sink_);
  logger.set_level(static_cast<spdlog::level::level_enum>(former_level_));
}

}  // namespace roboimi
