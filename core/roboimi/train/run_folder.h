// The run folder, runs/<date>_<time>_<name>/, which holds config.yaml, run.json, log.txt, metrics,
// checkpoints and rollouts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace spdlog::sinks {
class sink;
}

namespace roboimi {

// Creates a new folder, named after the local time, and returns its path. If a run with the same
// name started in the same second, "_2" (and so on) is appended.
ROBOIMI_EXPORT std::filesystem::path create_run_folder(const std::filesystem::path& output_dir,
                                                       const std::string& name);

// Whether the run has a checkpoint that `roboimi run --resume` can continue from; false for an
// empty path.
ROBOIMI_EXPORT bool has_checkpoint(const std::filesystem::path& run);

// The UTC time at which the run was created, "2026-03-29T01:30:00Z", from its run.json. For a run
// of an earlier version, whose run.json lacks it, the local time in the folder's name; empty if
// there is none.
ROBOIMI_EXPORT std::string creation_time(const std::filesystem::path& run);

// Whether run `a` was created after run `b`. Folder names are in local time, so that their order is
// wrong when clocks are set back.
ROBOIMI_EXPORT bool is_newer_run(const std::filesystem::path& a, const std::filesystem::path& b);

// The newest run in `output_dir` that has a checkpoint and this name in its run.json. Throws Error
// if there is none.
ROBOIMI_EXPORT std::filesystem::path newest_run_folder(const std::filesystem::path& output_dir,
                                                       const std::string& name);

inline constexpr const char* kRunning = "running";
inline constexpr const char* kLost = "lost";  // see observed_status()

// The contents of run.json: status, command line, device, data and sizes of a run.
struct RunRecord {
  std::string name;
  std::string created = {};  // see creation_time()
  std::vector<std::string> command;
  std::map<std::string, std::string> choices;
  std::string device;
  std::int64_t threads = 0;
  std::int64_t processes = 1;
  std::string data_fingerprint;
  std::int64_t num_episodes = 0, num_windows = 0, num_parameters = 0;
  std::optional<std::int64_t> resumed_step;
  std::string status = kRunning;  // "finished", "interrupted", "failed: ..."
};

// Writes run.json atomically. Adds the process ID and its start time, host, current time, versions,
// the loaded plugins with the hashes of their files, and the trackers' URLs (tracker_urls()).
ROBOIMI_EXPORT void write_run_record(const std::filesystem::path& folder, const RunRecord& record);

// The status in run.json, except that "running" becomes "lost" if the process ran on this machine
// and no longer exists. Empty if there is no readable run.json.
ROBOIMI_EXPORT std::string observed_status(const std::filesystem::path& run_folder);

// The data fingerprint in run.json. Empty if there is no readable run.json, or none in it.
ROBOIMI_EXPORT std::string recorded_data_fingerprint(const std::filesystem::path& run_folder);

// Buffers log lines (the last 1000) until the run folder with its log file exists.
class ROBOIMI_EXPORT LogKeeper {
 public:
  LogKeeper();
  ~LogKeeper();
  LogKeeper(const LogKeeper&) = delete;
  LogKeeper& operator=(const LogKeeper&) = delete;

  // Appends the lines to `file` and stops buffering.
  void write_to(const std::filesystem::path& file);

 private:
  void detach();
  std::shared_ptr<spdlog::sinks::sink> sink_;
};

// While alive, all log messages, including debug messages, also go to `file`. Throws Error if
// `file` is a link.
class ROBOIMI_EXPORT LogFile {
 public:
  explicit LogFile(const std::filesystem::path& file);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

 private:
  std::shared_ptr<spdlog::sinks::sink> sink_;
  int former_level_ = 0;  // of the default logger
};

}  // namespace roboimi
