// A report of a suite: one HTML file without scripts or network access, readable in light and dark
// mode and on a phone. It states the result in one sentence and shows success rates with Wilson
// intervals and McNemar's test, learning curves with means and intervals over seeds, rollouts,
// differences between the configurations, and timings.
//
//   write_text_atomically("report.html", suite_report(suite_folder));
//
// Reads manifest.json, status.json and the run folders below work/. Results that do not exist yet
// are left out. Throws Error if nothing was launched.
#pragma once

#include <filesystem>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

ROBOIMI_EXPORT std::string suite_report(const std::filesystem::path& suite_folder);

}  // namespace roboimi
