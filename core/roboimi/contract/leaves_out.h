// For datasets that can leave out parts that cannot be read, such as an episode whose file is cut
// off, if the option `unreadable: skip` says so.
#pragma once

#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT LeavesOut {
 public:
  virtual ~LeavesOut();
  // The reason for each part that was left out, in one line: its place and what is wrong with it.
  virtual std::vector<std::string> left_out() const = 0;
};

}  // namespace roboimi
