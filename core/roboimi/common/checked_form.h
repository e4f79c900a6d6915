// A faster form of a computation on a GPU that is used only after it has agreed with the plain form
// on the device. Internal; not installed.
//
//   static CheckedForm form("the encoder's mixed-precision form", "libtorch's autocast");
//   if (form.is_usable(device, "ViT 192x12", [&] { compare_with_plain_form(); })) return fast();
//   return plain();
//
// The first call for a device and a case runs the comparison, which throws if the results differ.
// In that case one warning is logged, and the plain form is used from then on.
// The environment variable ROBOIMI_GPU_KERNELS=off disables all such forms.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT CheckedForm {
 public:
  // Names for the warning: "`form` is not used on DEVICE; `plain_form` is slower: REASON".
  CheckedForm(std::string form, std::string plain_form);

  // `name` identifies what the result of the comparison depends on, such as sizes. A case that has
  // not been compared yet is not compared, and not usable, while the device's stream is being
  // recorded into a CUDA graph. Safe to call from several threads.
  bool is_usable(c10::Device device, const std::string& name, const std::function<void()>& compare);

 private:
  std::string form_, plain_form_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, bool> usable_;  // by device and name
};

// Whether ROBOIMI_GPU_KERNELS is not `off`.
ROBOIMI_EXPORT bool gpu_forms_are_enabled();

}  // namespace roboimi
