#include "roboimi/common/lfs_pointer.h"

#include <fstream>

#include "roboimi/common/error.h"

namespace roboimi {

void refuse_lfs_pointer(const std::filesystem::path& file, const std::string& what,
                        const std::string& expected) {
  std::string start(kLfsPointerStart.size(), '\0');
  std::ifstream(file, std::ios::binary)
      .read(start.data(), static_cast<std::streamsize>(start.size()));
  if (start != kLfsPointerStart) return;
  throw Error({.what = what,
               .where = file.string(),
               .expected = expected,
               .found = kLfsPointerFound,
               .next = kLfsPointerNext});
}

}  // namespace roboimi
