#include "app/suite_runs.h"

#include <fmt/format.h>

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/config/did_you_mean.h"
#include "suite/records.h"
#include "suite/target.h"

namespace roboimi::app {
namespace {

using Cells = std::vector<std::string>;

std::string percent(const std::optional<double>& value) {
  return value ? fmt::format("{:.0f} %", 100 * *value) : "";
}

Cells cells_of(const RunStatus& row) {
  // Rows may come from other machines, so escape them.
  return {printable(row.name),
          to_string(row.state),
          printable(row.target + (row.slot.empty() ? "" : ", " + row.slot)),
          row.step ? fmt::format("{}/{}", *row.step, row.max_steps) : "",
          row.loss ? fmt::format("{:.4g}", *row.loss) : "",
          percent(row.success_rate),
          printable(row.last_update),
          printable(row.text)};
}

}  // namespace

std::vector<std::string> refresh_status(const SuiteFile& suite) {
  const std::filesystem::path folder = suite.file.parent_path();
  const std::vector<RunStatus> known = read_status(folder);
  std::vector<std::string> reasons;
  for (const auto& [name, spec] : suite.targets) {
    const bool has_runs = std::any_of(known.begin(), known.end(),
                                      [&](const RunStatus& row) { return row.target == name; });
    if (!has_runs && !std::filesystem::exists(target_folder(folder, name))) continue;
    try {
      const std::vector<RunStatus> rows = make_target(spec, folder)->observe();
      if (!rows.empty()) update_records(folder, name, rows);
    } catch (const Error& error) {
      const std::string reason = one_line_message(error);
      reasons.push_back(fmt::format("target {}: {}", name, reason));
      change_status(folder, [&](std::vector<RunStatus>& rows) {
        for (RunStatus& row : rows) {
          if (row.target == name && row.is_active()) row.text = "no answer: " + reason;
        }
      });
    }
  }
  return reasons;
}

std::vector<RunStatus> chosen_rows(const std::vector<RunStatus>& rows,
                                   const std::vector<std::string>& names) {
  if (names.empty()) return rows;
  std::vector<std::string> known;
  for (const RunStatus& row : rows) known.push_back(row.name);
  std::vector<RunStatus> chosen;
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      throw Error({.what = "no run '" + printable(name) + "' was launched",
                   .next = did_you_mean(name, known, "see roboimi suite status")});
    }
    chosen.push_back(rows[static_cast<std::size_t>(found - known.begin())]);
  }
  return chosen;
}

std::string status_table(const std::vector<RunStatus>& rows) {
  std::vector<Cells> table = {
      {"run", "state", "where", "step", "loss", "success", "updated", "note"}};
  for (const RunStatus& row : rows) table.push_back(cells_of(row));
  std::vector<std::size_t> widths(table[0].size(), 0);
  for (const Cells& cells : table) {
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string text;
  for (const Cells& cells : table) {
    // Print one row.
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      line += fmt::format("{:<{}}  ", cells[i], widths[i]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace roboimi::app
