// Oddities that do not make a dataset unusable. Each is logged once, as one line, and kept for
// reports.
#pragma once

#include <string>
#include <vector>

#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {

class Findings {
 public:
  // Logs a warning: the data contradict themselves.
  void warn(const std::string& text);
  // Logs a line about what is left out or worked around.
  void note(const std::string& text);
  // Logs a warning: a part of the data is left out, because it cannot be read.
  void leave_out(const Error& reason);

  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::vector<std::string>& notes() const { return notes_; }
  // The reasons in one line each.
  const std::vector<std::string>& left_out() const { return left_out_; }

 private:
  std::vector<std::string> warnings_, notes_, left_out_;
};

}  // namespace roboimi::lerobot_dataset
