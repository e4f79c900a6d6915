// A place where runs of a suite happen: this machine, one behind ssh, or a Slurm cluster.
//
//   auto target = make_target(suite.targets.at("here"), suite_folder);
//   target->launch({.directory = "...", .smoke_steps = 2, .jobs = {...}});
//   std::vector<RunStatus> rows = target->observe();
//
// Every call is an Error when the target does not answer; what was launched goes on.
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

// A value of a configuration that names a file or a folder of this machine.
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
  std::filesystem::path directory;                  // where relative paths of the configs start
  std::vector<std::filesystem::path> plugin_paths;  // --plugin-path
  std::int64_t smoke_steps = 0;                     // 0: no trial before the long runs
  std::vector<LaunchJob> jobs;
};

class ROBOIMI_EXPORT Target {
 public:
  virtual ~Target();

  // Puts the jobs into the target's queue. Jobs that it knows and that run are left alone.
  virtual void launch(const LaunchOrder& order) = 0;
  // Starts again what has ended and not finished, from its last checkpoint.
  virtual void resume(const std::vector<std::string>& names) = 0;
  // A checkpoint first.
  virtual void stop(const std::vector<std::string>& names) = 0;
  virtual std::vector<RunStatus> observe() = 0;
  // Brings metrics, pictures and tables, and checkpoints where asked for, into this machine's
  // folder of the target. Nothing to do where they are there already.
  virtual void fetch(bool checkpoints) = 0;
};

// SUITE/work/NAME: on this machine, the work folder of a local target, or what was brought back.
ROBOIMI_EXPORT std::filesystem::path target_folder(const std::filesystem::path& suite_folder,
                                                   const std::string& target);

ROBOIMI_EXPORT std::unique_ptr<Target> make_target(const TargetSpec& spec,
                                                   const std::filesystem::path& suite_folder);

}  // namespace roboimi
