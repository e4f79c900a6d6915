// The runs of a launched suite, for the subcommands of `roboimi suite`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "suite/run_status.h"
#include "suite/suite_file.h"

namespace roboimi::app {

// Queries all targets that have runs, and updates status.json and notes.md. If a target does not
// answer, its runs keep their last state, with the reason as note. Returns the reasons.
std::vector<std::string> refresh_status(const SuiteFile& suite);

// The rows of these runs; all rows if there are no names. Throws Error for an unknown name.
std::vector<RunStatus> chosen_rows(const std::vector<RunStatus>& rows,
                                   const std::vector<std::string>& names);

// A table with one line per run.
std::string status_table(const std::vector<RunStatus>& rows);

}  // namespace roboimi::app
