// The folder of a run: runs/<date>_<time>_<name>/ with config.yaml, run.json, log.txt, metrics,
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

// Creates a folder of its own: a second run of the same second and name gets "_2" behind its name.
ROBOIMI_EXPORT std::filesystem::path create_run_folder(const std::filesystem::path& output_dir,
                                                       const std::string& name);

// Whether `roboimi run --resume` has something to continue from; false for an empty path.
ROBOIMI_EXPORT bool has_checkpoint(const std::filesystem::path& run);

// The newest run in `output_dir` whose run.json has this name and that has a checkpoint. Error when
// there is none.
ROBOIMI_EXPORT std::filesystem::path newest_run_folder(const std::filesystem::path& output_dir,
                                                       const std::string& name);

inline constexpr const char* kRunning = "running";
inline constexpr const char* kLost = "lost";  // see observed_status()

// What run.json says: who runs this, with what.
struct RunRecord {
  std::string name;
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

// Writes run.json, atomically; adds pid, when that process started, host, time, versions, the
// loaded plugins with the hash of their files, and where trackers show the run (tracker_urls()).
ROBOIMI_EXPORT void write_run_record(const std::filesystem::path& folder, const RunRecord& record);

// What a reader of run.json should show: its status, but "lost" in place of "running" when its
// process was one of this machine and is gone. Empty when there is no run.json to read.
ROBOIMI_EXPORT std::string observed_status(const std::filesystem::path& run_folder);

// Keeps what is logged while there is no folder yet, for the log that comes.
class ROBOIMI_EXPORT LogKeeper {
 public:
  LogKeeper();
  ~LogKeeper();
  LogKeeper(const LogKeeper&) = delete;
  LogKeeper& operator=(const LogKeeper&) = delete;

  // Appends the lines to `file`, and keeps no more.
  void write_to(const std::filesystem::path& file);

 private:
  void detach();
  std::shared_ptr<spdlog::sinks::sink> sink_;
};

// While alive, everything that is logged also goes to `file`, in detail. Error when it is a link.
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
