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
  std::size_t colour = 0;  // of the page's eight: var(--c0) ...
  std::vector<ChartPoint> points;
};

struct Chart {
  std::string title;
  bool logarithmic = false;  // where all values are positive
  bool is_rate = false;      // from 0 to 1, shown in percent
  std::vector<ChartLine> lines;
};

// <figure> with the chart; nothing where it has no points. A band is an interval.
std::string chart_svg(Chart chart);

// Text for HTML: & < > " ' are escaped, bytes that are no UTF-8 shown as \xNN.
std::string html_text(const std::string& text);

}  // namespace roboimi
