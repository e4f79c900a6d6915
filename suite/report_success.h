// The success rates of a suite's runs, their comparison, and the report's conclusion.
#pragma once

#include <string>
#include <vector>

#include "suite/report_data.h"

namespace roboimi::report {

// The success rate of each group with its 95 % interval, as HTML; empty without episodes.
std::string success_table(const std::vector<RunData>& runs, const std::vector<std::string>& groups);
// McNemar's test for each pair of groups, on the episodes that both ran, as HTML.
std::string comparison_table(const std::vector<RunData>& runs,
                             const std::vector<std::string>& groups);
// The result in one sentence, as plain text.
std::string conclusion(const std::vector<RunData>& runs, const std::vector<std::string>& groups);

}  // namespace roboimi::report
