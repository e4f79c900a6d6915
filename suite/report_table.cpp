#include "suite/report_table.h"

#include <fmt/format.h>

#include "suite/report_chart.h"

namespace roboimi::report {
namespace {

std::string cell_html(const Cell& cell, const char* tag) {
  // Long text may wrap anywhere, so that a long name does not hide the other columns.
  constexpr std::size_t kLong = 24;
  std::string classes = cell.classes;
  if (cell.text.size() > kLong) classes += classes.empty() ? "long" : " long";
  const std::string attribute = classes.empty() ? "" : " class='" + classes + "'";
  return fmt::format("<{0}{2}>{1}</{0}>", tag, cell.html.empty() ? html_text(cell.text) : cell.html,
                     attribute);
}

}  // namespace

std::string table(const std::vector<std::string>& head, const std::vector<Row>& rows) {
  if (rows.empty()) return "";
  std::vector<bool> is_shown(head.size(), false);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      is_shown[i] = is_shown[i] || !row[i].text.empty() || !row[i].html.empty();
    }
  }
  const auto line = [&](const Row& row, const char* tag) {
    std::string html = "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (is_shown[i]) html += cell_html(row[i], tag);
    }
    return html + "</tr>\n";
  };
  Row titles;
  for (const std::string& title : head) titles.push_back({title});
  std::string html = "<div class='table'><table><thead>" + line(titles, "th") + "</thead><tbody>";
  for (const Row& row : rows) html += line(row, "td");
  return html + "</tbody></table></div>\n";
}

}  // namespace roboimi::report
