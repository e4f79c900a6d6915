// Files that a run keeps a copy of, because its checkpoints do not hold what is in them: the
// program of an encoder that Python exported.
//
//   class Encoder : public Backbone, public KeepsFiles {                 // the component
//     Encoder(const Options& o) : file_(o.file), program_(load(RunFiles::find(o.file))) {}
//     std::vector<std::filesystem::path> run_files() const override { return {file_}; }
//   };
//   keep_run_files(run, *agent);                                         // once, when training
//   starts { const RunFiles files(run); agent = create_agent(...); }            // whenever the run
//   is loaded
//
// Copies lie in RUN/files/<start of their SHA-256>/<name>; RUN/files/files.json says which path of
// the configuration each stands for. They are copies and not links, because an export writes over
// the file in place.
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// A component whose weights do not say everything. It may be any module of an agent.
class ROBOIMI_EXPORT KeepsFiles {
 public:
  virtual ~KeepsFiles();
  // The files as the configuration names them.
  virtual std::vector<std::filesystem::path> run_files() const = 0;
};

// While one lives, components that are constructed on this thread get the copies of `run` in place
// of the originals, which may be gone or changed. A run without copies changes nothing.
class ROBOIMI_EXPORT RunFiles {
 public:
  explicit RunFiles(std::filesystem::path run);
  ~RunFiles();
  RunFiles(const RunFiles&) = delete;
  RunFiles& operator=(const RunFiles&) = delete;

  // The copy of `given`, or `given` itself when there is none. Error for a damaged copy.
  static std::filesystem::path find(const std::filesystem::path& given);

 private:
  std::filesystem::path run_;
  const RunFiles* outer_;
};

// Copies into the run's folder what the modules of `agent` name and the run does not have yet.
// Error when a file cannot be copied.
ROBOIMI_EXPORT void keep_run_files(const std::filesystem::path& run,
                                   const torch::nn::Module& agent);

}  // namespace roboimi
