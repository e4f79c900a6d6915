// Copies of external files that a run needs besides its checkpoints, such as an encoder's program
// exported from Python (TorchScript).
//
// A component that reads such a file derives from KeepsFiles and opens the file through find():
//
//   program_ = load(RunFiles::find(file_));
//
// keep_run_files() copies the files into the run's folder when training starts. While a RunFiles
// exists, components constructed on its thread get the copies, so that a run loads on another
// machine.
//
// Copies are stored as RUN/files/<start of their SHA-256>/<name>; RUN/files/files.json maps each to
// its path in the configuration. They are copies rather than links, because exporting again
// overwrites the original file in place.
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// A component that needs files besides its weights. It may be any module of an agent.
class ROBOIMI_EXPORT KeepsFiles {
 public:
  virtual ~KeepsFiles();
  // The files, with their paths in the configuration.
  virtual std::vector<std::filesystem::path> run_files() const = 0;
};

// While a RunFiles exists, find() on the same thread returns the copies in `run` instead of the
// originals, which may be gone or changed. A run without copies changes nothing.
class ROBOIMI_EXPORT RunFiles {
 public:
  explicit RunFiles(std::filesystem::path run);
  ~RunFiles();
  RunFiles(const RunFiles&) = delete;
  RunFiles& operator=(const RunFiles&) = delete;

  // The copy of `given`, or `given` itself if there is none. Throws Error if the copy is damaged.
  static std::filesystem::path find(const std::filesystem::path& given);

 private:
  std::filesystem::path run_;
  const RunFiles* outer_;
};

// Copies the files that the modules of `agent` name into the run's folder, unless they are already
// there. Throws Error if a file cannot be copied.
ROBOIMI_EXPORT void keep_run_files(const std::filesystem::path& run,
                                   const torch::nn::Module& agent);

}  // namespace roboimi
