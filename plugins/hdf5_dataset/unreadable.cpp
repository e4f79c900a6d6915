#include "plugins/hdf5_dataset/unreadable.h"

#include "roboimi/common/log.h"
#include "roboimi/common/text.h"

namespace roboimi::hdf5_dataset {

void declare_unreadable(OptionFields& fields, Unreadable& unreadable) {
  fields.choice("unreadable", unreadable,
                {{Unreadable::kError, "error"}, {Unreadable::kSkip, "skip"}},
                "what to do about an episode that cannot be read or does not match the first one: "
                "skip leaves it out, with a warning");
}

void leave_out(const Error& error, std::vector<std::string>& left_out) {
  left_out.push_back(one_line_message(error));
  logger().warn("left out: {}", left_out.back());
}

}  // namespace roboimi::hdf5_dataset
