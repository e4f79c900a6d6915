// One HTML file that shows what came of a suite: no script, no network, readable in light and dark
// and on a phone. Curves with mean and interval over seeds, success with Wilson's intervals and
// McNemar's test, times, pictures and videos of rollouts, and where the configurations differ.
//
//   write_text_atomically("report.html", suite_report(suite_folder));
//
// Reads manifest.json, status.json and the run folders below work/; what a run does not have yet is
// left out. Error when nothing was launched.
#pragma once

#include <filesystem>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

ROBOIMI_EXPORT std::string suite_report(const std::filesystem::path& suite_folder);

}  // namespace roboimi
