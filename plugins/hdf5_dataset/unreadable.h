// What a dataset does about episodes that cannot be read.
#pragma once

#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/config/declare.h"

namespace roboimi::hdf5_dataset {

enum class Unreadable { kError, kSkip };

void declare_unreadable(OptionFields& fields, Unreadable& unreadable);

// Logs that an episode is left out, and notes the reason.
void leave_out(const Error& error, std::vector<std::string>& left_out);

}  // namespace roboimi::hdf5_dataset
