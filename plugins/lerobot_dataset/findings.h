// Oddities that do not make a dataset unusable. Each is logged once, as one line, and kept for
// reports.
#pragma once

#include <string>
#include <vector>

namespace roboimi::lerobot_dataset {

class Findings {
 public:
  // Logs a warning: the data contradict themselves.
  void warn(const std::string& text);
  // Logs a line about what is left out or worked around.
  void note(const std::string& text);

  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  std::vector<std::string> warnings_, notes_;
};

}  // namespace roboimi::lerobot_dataset
