// A table of a suite's report.
#pragma once

#include <string>
#include <vector>

namespace roboimi::report {

struct Cell {
  std::string text;
  std::string classes = {};
  std::string html = {};  // shown instead of the text
};
using Row = std::vector<Cell>;

// The HTML of a table with one title per column; empty without rows. Leaves out columns in which
// every cell is empty.
std::string table(const std::vector<std::string>& head, const std::vector<Row>& rows);

}  // namespace roboimi::report
