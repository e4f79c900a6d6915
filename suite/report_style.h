// The style sheet of a report. Internal to suite.
#pragma once

namespace roboimi {

inline constexpr const char* kReportStyle = R"(
:root { --page: #fbfbfa; --text: #1d1f23; --quiet: #5d646e; --line: #d9dce1; --card: #fff;
  --mark: #fff1c2; --shadow: #0003; --c0: #1f6fd1; --c1: #c8501b; --c2: #16826b; --c3: #8a4fc4;
  --c4: #b3245c; --c5: #6d7a12; --c6: #0f7f97; --c7: #7a5230; }
@media (prefers-color-scheme: dark) { :root { --page: #14161a; --text: #e6e8eb; --quiet: #9aa3ae;
  --line: #343a43; --card: #1c1f25; --mark: #4a3d12; --shadow: #000a; --c0: #6aa9f7;
  --c1: #f2935f; --c2: #4fc4a8; --c3: #bf95ee; --c4: #f07aa6; --c5: #b9c85a; --c6: #5cc6dd; --c7: #cfa27c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 20px 16px 60px; }
h1 { font-size: 1.6rem; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 36px 0 10px; }
p { color: var(--quiet); margin: 0 0 12px; }
.conclusion { color: var(--text); font-size: 1.1rem; margin: 6px 0 4px; overflow-wrap: anywhere; }
/* A shadow at the sides to which the table can be scrolled. */
.table { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; margin-bottom: 14px;
  background: linear-gradient(90deg, var(--card) 50%, transparent) 0 0 / 28px 100% no-repeat local,
    linear-gradient(270deg, var(--card) 50%, transparent) 100% 0 / 28px 100% no-repeat local,
    linear-gradient(90deg, var(--shadow), transparent) 0 0 / 14px 100% no-repeat,
    linear-gradient(270deg, var(--shadow), transparent) 100% 0 / 14px 100% no-repeat var(--card); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 12px; border-bottom: 1px solid var(--line);
  white-space: nowrap; vertical-align: top; }
th { color: var(--quiet); font-weight: 600; font-size: .85em; white-space: normal;
  vertical-align: bottom; }
.long { white-space: normal; overflow-wrap: anywhere; min-width: 11em; }
.long:last-child { min-width: 13em; }
tbody tr:last-child td { border-bottom: 0; }
td.differs { background: var(--mark); }
.state { font-weight: 600; }
.state.finished { color: var(--c2); } .state.failed, .state.lost { color: var(--c4); }
.state.running, .state.smoke { color: var(--c0); } .state.stopped { color: var(--c1); }
.charts, .media { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); }
.media { grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); }
figure { margin: 0; padding: 12px; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; min-width: 0; }
figcaption { color: var(--quiet); font-size: .9em; overflow-wrap: anywhere; }
img, video { width: 100%; display: block; border-radius: 4px; margin-bottom: 6px; }
figure svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--quiet); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--line); } svg .mark { fill: var(--text); }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg.interval { width: 168px; height: 28px; display: block; margin: -3px 0; }
.legend span { display: inline-block; max-width: 100%; margin-right: 16px; color: var(--text); overflow-wrap: anywhere; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px;
  margin-right: 6px; vertical-align: -1px; }
@media (max-width: 560px) { main { padding: 14px 10px 40px; } svg text { font-size: 15px; }
  th, td { padding: 6px 8px; } .long { min-width: 8.5em; }
  .long:last-child { min-width: 20em; }
  .media { grid-template-columns: 1fr 1fr; gap: 8px; } .media figure { padding: 6px; } }
)";

}  // namespace roboimi
