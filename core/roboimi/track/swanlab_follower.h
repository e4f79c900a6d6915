// A tracker that shows a run in SwanLab. It starts a process that reads the run folder and uses
// SwanLab's Python package (scripts/swanlab_follow.py). If that process ends, the run logs a
// warning and continues.
//
//   track:
//     swanlab: offline      # off, offline (no account, no network), cloud (swanlab login)
//     project: roboimi
//
//   const SwanlabProgram program = find_swanlab({.mode = "offline"});   // before the run starts
//   SwanlabFollower follower(program, run_folder, [&] { write_run_record(...); });
//
// The process writes RUN/tracker.json, which tracker_urls() reads, and RUN/swanlab.log.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/common/processes.h"
#include "roboimi/config/declare.h"
#include "roboimi/track/tracker.h"

namespace roboimi {

// The `track` section of an experiment.
struct SwanlabOptions {
  std::string mode = "off";  // or "offline", "cloud"
  std::string project = "roboimi";
};

ROBOIMI_EXPORT void declare(OptionFields& fields, SwanlabOptions& options);

// The command of the follower: a Python that has the package, and the script.
struct SwanlabProgram {
  std::filesystem::path python, script;
  SwanlabOptions options;
};

// Finds a Python with the package: ROBOIMI_PYTHON if it is set, else the .venv of the installation
// or source tree, else python3 in PATH. Throws Error if none has the package, or if the mode is
// cloud and no account is logged in.
ROBOIMI_EXPORT SwanlabProgram find_swanlab(const SwanlabOptions& options);

// Where the run is shown, from its tracker.json: a URL, or a folder to upload later.
ROBOIMI_EXPORT std::vector<std::string> tracker_urls(const std::filesystem::path& run_folder);

class ROBOIMI_EXPORT SwanlabFollower final : public Tracker {
 public:
  // Starts the process. run.json must exist. Calls `on_change` in the caller's thread when
  // tracker_urls() has changed.
  SwanlabFollower(const SwanlabProgram& program, std::filesystem::path run_folder,
                  std::function<void()> on_change);

  // The process reads the run's files itself. These only check whether it still runs, and whether
  // tracker_urls() has changed.
  void scalars(std::int64_t, const Scalars&) override { poll(); }
  void image(std::int64_t, const std::string&, const std::filesystem::path&) override { poll(); }
  void flush() override { poll(); }

  // Waits up to 30 s for the process to upload the end of the run. After that it continues alone.
  void finish() override;

 private:
  void poll();
  bool has_ended();

  std::filesystem::path folder_;
  std::function<void()> on_change_;
  std::vector<std::string> known_urls_;
  ProcessIdentity process_;
};

}  // namespace roboimi
