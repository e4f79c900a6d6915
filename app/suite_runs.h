// The runs of a launched suite: what the subcommands of `roboimi suite` have in common.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "suite/run_status.h"
#include "suite/suite_file.h"

namespace roboimi::app {

// Asks every target that has runs, and updates status.json and notes.md. What a target that does
// not answer was last known to do stays, with the reason in its runs' texts; the reasons also come
// back.
std::vector<std::string> refresh_status(const SuiteFile& suite);

// The named ones of `rows`, all without names. Error: a name that is not there.
std::vector<RunStatus> chosen_rows(const std::vector<RunStatus>& rows,
                                   const std::vector<std::string>& names);

// A table with a line a run.
std::string status_table(const std::vector<RunStatus>& rows);

}  // namespace roboimi::app
