#include "plugins/lerobot_dataset/findings.h"

#include "roboimi/common/log.h"
#include "roboimi/common/text.h"

namespace roboimi::lerobot_dataset {
namespace {

constexpr std::size_t kLongestLine = 600;  // bytes

}  // namespace

void Findings::warn(const std::string& text) {
  warnings_.push_back(text);
  logger().warn("lerobot_dataset: {}", printable(text, kLongestLine));
}

void Findings::note(const std::string& text) {
  notes_.push_back(text);
  logger().info("lerobot_dataset: {}", printable(text, kLongestLine));
}

void Findings::leave_out(const Error& reason) {
  left_out_.push_back(one_line_message(reason));
  warn("left out: " + left_out_.back());
}

}  // namespace roboimi::lerobot_dataset
