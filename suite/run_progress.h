// How far a run is, read from its own folder: metrics.jsonl and run.json.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "suite/run_status.h"

namespace roboimi {

// The newest run folder in `output_dir`; empty when there is none.
ROBOIMI_EXPORT std::filesystem::path newest_folder(const std::filesystem::path& output_dir);

// Sets step, loss, success_rate, run_folder and tracker_url from what is in `output_dir`; a torn
// last line and a run that has only begun are passed over.
ROBOIMI_EXPORT void read_progress(const std::filesystem::path& output_dir, RunStatus& status);

// The last line of a log that is not empty, without control characters; at most 300 bytes.
ROBOIMI_EXPORT std::string last_words(const std::filesystem::path& log);

}  // namespace roboimi
