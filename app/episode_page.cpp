#include "app/episode_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "roboimi/common/base64.h"
#include "roboimi/common/text.h"

namespace roboimi::app {
namespace {

constexpr const char* kPageStyle = R"(
:root { color-scheme: light dark; --paper: #fff; --plot: #f4f6f9; --ink: #282c34; --faint: #6c7280;
        --state: #466eaa; --action: #de6200; --cursor: #c81e3c; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181d; --plot: #22262e; --ink: #e6e8ec; --faint: #9aa1ad;
          --state: #7fa8e6; --action: #ff9a4d; --cursor: #ff5c78; }
}
body { background: var(--paper); color: var(--ink); font: 14px/1.4 system-ui, sans-serif;
       margin: 1rem auto; max-width: 1200px; padding: 0 1rem; }
h1 { font-size: 1.2rem; }
video { width: 100%; object-fit: cover; object-position: top; background: #000; }
dl { display: flex; flex-wrap: wrap; gap: .2rem 1.5rem; } dt { color: var(--faint); }
dl div { display: flex; gap: .4rem; } dd { margin: 0; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: .8rem; }
figure { margin: 0; } figcaption { display: flex; justify-content: space-between; }
figcaption span { color: var(--faint); }
svg { width: 100%; height: 80px; background: var(--plot); cursor: crosshair; display: block; }
svg * { fill: none; vector-effect: non-scaling-stroke; stroke-width: 1.5; }
.state { stroke: var(--state); color: var(--state); } .action { stroke: var(--action); color: var(--action); }
.cursor { stroke: var(--cursor); stroke-width: 1; }
)";

// Rows are counted from 0; row r is shown from r / fps on.
constexpr const char* kPageScript = R"js(
const video = document.querySelector("video"), clock = document.querySelector("#row");
const cursors = document.querySelectorAll(".cursor");
let shown = -1;
function follow() {
  const row = Math.max(0, Math.min(rows - 1, Math.floor(video.currentTime * fps + 0.01)));
  if (row !== shown) {
    shown = row;
    clock.textContent = row + " (" + (row / fps).toFixed(2) + " s)";
    for (const cursor of cursors) {
      cursor.setAttribute("x1", row);
      cursor.setAttribute("x2", row);
    }
  }
  requestAnimationFrame(follow);
}
for (const plot of document.querySelectorAll("svg")) {
  plot.addEventListener("click", event => {
    const box = plot.getBoundingClientRect();
    const row = Math.round((event.clientX - box.left) / box.width * (rows - 1));
    video.currentTime = (row + 0.5) / fps;
  });
}
follow();
)js";

// For HTML, with control characters as spaces.
std::string shown_text(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return escape_html(text);
}

// The curve as lines of SVG; values that are not finite interrupt it. y is 0 at the top, 100 below.
std::string curve_lines(const std::vector<double>& values, std::pair<double, double> range,
                        const char* style) {
  std::string svg, points;
  const auto finish = [&] {
    if (!points.empty()) {
      svg += fmt::format(R"(<polyline class="{}" points="{}"/>)", style, points);
    }
    points.clear();
  };
  for (std::size_t row = 0; row < values.size(); ++row) {
    if (!std::isfinite(values[row])) {
      finish();
      continue;
    }
    const double y = 3 + 94 * (range.second - values[row]) / (range.second - range.first);
    points += fmt::format("{}{},{:.2f}", points.empty() ? "" : " ", row, y);
  }
  finish();
  return svg;
}

std::string panel_figure(const CurvePanel& panel, std::int64_t num_rows) {
  const auto range = panel.drawn_range();
  return fmt::format(
      R"(<figure><figcaption>{}<span>{}</span></figcaption>)"
      R"(<svg viewBox="0 0 {} 100" preserveAspectRatio="none" role="img" aria-label="{}">)"
      R"({}{}<line class="cursor" x1="0" x2="0" y1="0" y2="100"/></svg></figure>)"
      "\n",
      shown_text(panel.title), panel.range_text(), std::max<std::int64_t>(1, num_rows - 1),
      shown_text(panel.title), curve_lines(panel.state, range, "state"),
      curve_lines(panel.action, range, "action"));
}

}  // namespace

std::string episode_page(const EpisodePage& page) {
  std::string facts, panels;
  for (const auto& [name, value] : page.facts) {
    facts +=
        fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", shown_text(name), shown_text(value));
  }
  for (const CurvePanel& panel : page.panels) panels += panel_figure(panel, page.num_rows);
  const std::string aspect = fmt::format("{} / {}", page.shown.width, page.shown.height);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<h1>{}</h1>\n"
      "<video controls muted playsinline style=\"aspect-ratio: {}; "
      "max-width: calc(70vh * {})\" "
      "src=\"data:video/mp4;base64,{}\"></video>\n"
      "<dl>\n<div><dt>row</dt><dd id=\"row\">0</dd></div>\n"
      "<div><dt>curves</dt><dd><span class=\"state\">state</span> "
      "<span class=\"action\">action</span></dd></div>\n{}</dl>\n"
      "<div class=\"panels\">\n{}</div>\n"
      "<script>const fps = {}, rows = {};{}</script>\n</body>\n</html>\n",
      shown_text(page.title), kPageStyle, shown_text(page.title), aspect, aspect,
      base64(page.video), facts, panels, page.fps, page.num_rows, kPageScript);
}

}  // namespace roboimi::app
