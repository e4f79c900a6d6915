// Line charts as inline SVG. Internal to suite.
#pragma once

#include <string>
#include <vector>

#include "suite/statistics.h"

namespace roboimi {

struct ChartPoint {
  double x = 0.0;
  MeanInterval y;
};

struct ChartLine {
  std::string name;
  std::size_t color = 0;  // one of the page's eight: var(--c0) ...
  std::vector<ChartPoint> points;
};

struct Chart {
  std::string title;
  bool logarithmic = false;  // if all values are positive
  bool is_rate = false;      // values from 0 to 1, in percent
  std::vector<ChartLine> lines;
};

// A <figure> with the chart, or an empty string if it has no points. Bands are intervals.
std::string chart_svg(Chart chart);

// The string for HTML: & < > " ' are escaped, invalid UTF-8 is shown as \xNN.
std::string html_text(const std::string& text);

}  // namespace roboimi
