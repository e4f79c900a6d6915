#include "plugins/hdf5_dataset/hdf5_library.h"

#include "plugins/hdf5_dataset/lzf_filter.h"

namespace roboimi::hdf5_dataset {
namespace {

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

herr_t keep_innermost(unsigned depth, const H5E_error2_t* error, void* text) {
  if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

}  // namespace

Hdf5Lock::Hdf5Lock() : lock_(library_mutex()) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  static const bool lzf_is_registered = register_lzf_filter();
  static_cast<void>(lzf_is_registered);
}

std::string last_hdf5_message() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &text);
  return text.empty() ? "unknown HDF5 error" : text;
}

}  // namespace roboimi::hdf5_dataset
