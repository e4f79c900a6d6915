// The progress of a run, read from metrics.jsonl and run.json in its folder.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "suite/run_status.h"

namespace roboimi {

// The newest run folder in `output_dir`; empty if there is none.
ROBOIMI_EXPORT std::filesystem::path newest_folder(const std::filesystem::path& output_dir);

// Sets step, loss, success_rate, run_folder and tracker_url from the newest run in `output_dir`.
// Ignores an incomplete last line and missing files.
ROBOIMI_EXPORT void read_progress(const std::filesystem::path& output_dir, RunStatus& status);

// The last non-empty line of a log without control characters; at most 300 bytes.
ROBOIMI_EXPORT std::string last_line(const std::filesystem::path& log);

}  // namespace roboimi
