// Says how far a long job is: a bar that redraws itself on a terminal, plain lines elsewhere.
// Writes to stderr; standard output is for results.
//
//   Progress progress("train", 50000);
//   progress.update(120, "loss 0.31");
//
//   train  [#####.....................]  10000/50000   20%  13.2 /s  0:50:30 left  loss 0.31
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT Progress {
 public:
  enum class Style { kAutomatic, kBar, kLines };

  // `first` is where a resumed job starts: it does not count into the speed.
  Progress(std::string label, std::int64_t total, std::int64_t first = 0,
           Style style = Style::kAutomatic, std::FILE* output = stderr);
  ~Progress();  // ends the bar's line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Draws at most ten times a second on a terminal, at most every ten seconds elsewhere; the last
  // (done == total) always.
  void update(std::int64_t done, const std::string& note);
  // Clears the bar's line, so that something else can be printed; the next update redraws it.
  void clear();

  std::string line(std::int64_t done, const std::string& note, double seconds) const;

 private:
  std::string label_;
  std::int64_t total_;
  std::int64_t first_;
  bool bar_;
  std::FILE* output_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point drawn_;
  bool on_screen_ = false;
};

}  // namespace roboimi
