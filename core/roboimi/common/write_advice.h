// Next steps for errors of write calls.
#pragma once

#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// What the user can do about `error`, an errno value of open(), write(), fsync() or rename(): for a
// full disk, an exceeded quota or file size limit, missing permissions and a read-only file system.
// Empty for all other errors.
ROBOIMI_EXPORT std::string write_advice(int error);

}  // namespace roboimi
