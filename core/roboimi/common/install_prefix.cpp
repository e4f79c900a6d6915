#include "roboimi/common/install_prefix.h"

#include <dlfcn.h>

namespace roboimi {

std::filesystem::path install_prefix() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&install_prefix), &info) == 0) return {};
  std::error_code error;
  const std::filesystem::path library = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::filesystem::path() : library.parent_path().parent_path();
}

}  // namespace roboimi
