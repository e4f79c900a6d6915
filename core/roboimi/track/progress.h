// The progress display of a long job: a bar that redraws itself on a terminal, plain lines
// elsewhere. Writes to stderr, because standard output is for results.
//
//   Progress progress("train", 50000);
//   progress.update(120, "loss 0.31");
//
//   train  [#####.....................]  10000/50000   20%  13.2 /s  0:50:30 left  loss 0.31
//   rollouts  3/10   30%  57 s each  0:06:39 left
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT Progress {
 public:
  enum class Style { kAutomatic, kBar, kLines };
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // A resumed job starts at `first`; earlier work is excluded from the rate. `clock` is
  // replaced in tests.
  Progress(std::string label, std::int64_t total, std::int64_t first = 0,
           Style style = Style::kAutomatic, std::FILE* output = stderr,
           Clock clock = std::chrono::steady_clock::now);
  ~Progress();  // ends the line of the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Redraws the bar at most ten times per second. Prints a line at most every 10 s in the first
  // minute, every minute in the first hour, and every 10 minutes after that, so that the log of a
  // long job stays short. Always shows the last update (done == total).
  void update(std::int64_t done, const std::string& note);
  // Removes the bar so that something else can be printed. The next update redraws it.
  void clear();

  // The text of a line or bar after `seconds`.
  std::string line(std::int64_t done, const std::string& note, double seconds) const;

 private:
  std::string label_;
  std::int64_t total_;
  std::int64_t first_;
  bool bar_;
  std::FILE* output_;
  Clock clock_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point drawn_;
  bool on_screen_ = false;
};

}  // namespace roboimi
