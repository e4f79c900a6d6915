// A target of a suite, on which its runs run: this machine, another machine reached with ssh, or a
// Slurm cluster.
//
//   auto target = make_target(suite.targets.at("here"), suite_folder);
//   target->launch({.directory = "...", .smoke_steps = 2, .jobs = {...}});
//   std::vector<RunStatus> rows = target->observe();
//
// Every call throws Error if the target does not answer. Runs that were launched continue.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "suite/run_status.h"
#include "suite/suite_file.h"

namespace roboimi {

// A config value that is the path of a file or folder on this machine.
struct NamedFile {
  std::string key;  // "agent.backbone.checkpoint"
  std::filesystem::path path;
};

struct LaunchJob {
  std::string name;
  std::optional<std::int64_t> gpu;
  ConfigNode config;  // resolved
  std::vector<NamedFile> files;
};

struct LaunchOrder {
  std::filesystem::path directory;                  // base of relative paths in the configs
  std::vector<std::filesystem::path> plugin_paths;  // --plugin-path
  std::int64_t smoke_steps = 0;                     // 0: no trial before the training runs
  std::vector<LaunchJob> jobs;
};

class ROBOIMI_EXPORT Target {
 public:
  virtual ~Target();

  // Adds the jobs to the target's queue. Jobs that are already active are not changed.
  virtual void launch(const LaunchOrder& order) = 0;
  // Restarts runs that ended before they finished, from their last checkpoints.
  virtual void resume(const std::vector<std::string>& names) = 0;
  // Stops runs after they have written a checkpoint.
  virtual void stop(const std::vector<std::string>& names) = 0;
  virtual std::vector<RunStatus> observe() = 0;
  // Copies metrics, images and tables, and optionally checkpoints, to target_folder() on this
  // machine. Does nothing for a target on this machine or its file system.
  virtual void fetch(bool checkpoints) = 0;
};

// SUITE/work/NAME: the work folder of a local target, or the files copied back from another one.
ROBOIMI_EXPORT std::filesystem::path target_folder(const std::filesystem::path& suite_folder,
                                                   const std::string& target);

ROBOIMI_EXPORT std::unique_ptr<Target> make_target(const TargetSpec& spec,
                                                   const std::filesystem::path& suite_folder);

}  // namespace roboimi
