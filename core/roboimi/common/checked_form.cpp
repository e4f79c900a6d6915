#include "roboimi/common/checked_form.h"

#include <cstdlib>
#include <exception>
#include <string_view>

#include "roboimi/common/cuda_graph.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"

namespace roboimi {

bool gpu_forms_are_enabled() {
  const char* const setting = std::getenv("ROBOIMI_GPU_KERNELS");
  return setting == nullptr || std::string_view(setting) != "off";
}

CheckedForm::CheckedForm(std::string form, std::string plain_form)
    : form_(std::move(form)), plain_form_(std::move(plain_form)) {}

bool CheckedForm::is_usable(c10::Device device, const std::string& name,
                            const std::function<void()>& compare) {
  if (!gpu_forms_are_enabled()) return false;
  const std::lock_guard lock(mutex_);
  const auto key = std::make_pair(device.str(), name);
  if (const auto known = usable_.find(key); known != usable_.end()) return known->second;
  // The comparison reads from the device, which would end a recording.
  if (CudaGraph::is_recording_on(device)) return false;
  bool agrees = true;
  try {
    compare();
    logger().debug("{} agrees with {} on {} ({})", form_, plain_form_, device.str(), name);
  } catch (const std::exception& error) {
    agrees = false;
    logger().warn("{} is not used on {}; {} is slower: {}", form_, device.str(), plain_form_,
                  one_line_message(error));
  }
  usable_[key] = agrees;
  return agrees;
}

}  // namespace roboimi
