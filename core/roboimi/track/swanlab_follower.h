// Shows a run in SwanLab through its own Python package: scripts/swanlab_follow.py, a process
// beside the run that follows its folder. Its death costs the run a warning in the log.
//
//   track:
//     swanlab: offline      # off, offline (no account, no network), cloud (swanlab login)
//     project: roboimi
//
//   const SwanlabProgram program = find_swanlab({.mode = "offline"});   // before anything is done
//   SwanlabFollower follower(program, run_folder, [&] { write_run_record(...); });
//
// The follower writes RUN/tracker.json, which tracker_urls() reads, and RUN/swanlab.log.
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

// How the follower is started: with a Python that has the package.
struct SwanlabProgram {
  std::filesystem::path python, script;
  SwanlabOptions options;
};

// Asks ROBOIMI_PYTHON alone when that is set, else the .venv of the installation or source tree and
// the PATH's python3. Error when none has the package, or cloud is wanted and no account is known.
ROBOIMI_EXPORT SwanlabProgram find_swanlab(const SwanlabOptions& options);

// Where trackers show the run of this folder, as its tracker.json says: a URL, or a folder to send
// later.
ROBOIMI_EXPORT std::vector<std::string> tracker_urls(const std::filesystem::path& run_folder);

class ROBOIMI_EXPORT SwanlabFollower final : public Tracker {
 public:
  // Starts it; run.json must be there. `on_news` is called, by this thread, when tracker_urls()
  // has changed.
  SwanlabFollower(const SwanlabProgram& program, std::filesystem::path run_folder,
                  std::function<void()> on_news);

  // It reads the run's files itself: these only look whether it lives, and what it has to tell.
  void scalars(std::int64_t, const Scalars&) override { look(); }
  void image(std::int64_t, const std::string&, const std::filesystem::path&) override { look(); }
  void flush() override { look(); }

  // Gives it half a minute to show what run.json says now; then it goes on by itself.
  void finish() override;

 private:
  void look();
  bool has_ended();

  std::filesystem::path folder_;
  std::function<void()> on_news_;
  std::vector<std::string> known_urls_;
  ProcessIdentity process_;
};

}  // namespace roboimi
