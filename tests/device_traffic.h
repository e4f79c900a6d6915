// A counter of operators that would make a training step wait for its device, or copy from the host
// to it.
//
//   EXPECT_EQ(device_traffic_of([&] { head->loss(...).loss.backward(); }), "");
//
// The same operators run on a CPU, where they cost nothing. The step runs once before counting,
// because the first step may create constants.
#pragma once

#include <ATen/record_function.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace roboimi {

class DeviceTraffic {
 public:
  DeviceTraffic() {
    const std::lock_guard lock(mutex());
    counts().clear();
    handle_ = at::addGlobalCallback(at::RecordFunctionCallback(&DeviceTraffic::count)
                                        .needsInputs(true)
                                        .scopes({at::RecordScope::FUNCTION}));
  }
  ~DeviceTraffic() { at::removeCallback(handle_); }
  DeviceTraffic(const DeviceTraffic&) = delete;
  DeviceTraffic& operator=(const DeviceTraffic&) = delete;

  // The operators with their counts, "aten::item 2, aten::to.dtype_layout 1"; empty if there were
  // none.
  std::string found() const {
    const std::lock_guard lock(mutex());
    std::string text;
    for (const auto& [name, times] : counts()) {
      text += (text.empty() ? "" : ", ") + name + " " + std::to_string(times);
    }
    return text;
  }

 private:
  static std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
    // Reads of a value, results whose size depends on values, and conversions that name a device.
    static const std::set<std::string> kNames = {"aten::_local_scalar_dense",
                                                 "aten::item",
                                                 "aten::is_nonzero",
                                                 "aten::nonzero",
                                                 "aten::equal",
                                                 "aten::masked_select",
                                                 "aten::to.device",
                                                 "aten::to.dtype_layout",
                                                 "aten::to.other",
                                                 "aten::repeat_interleave.Tensor"};
    const auto name = function.operator_name();
    if (!name) return nullptr;
    const std::string full =
        name->overload_name.empty() ? name->name : name->name + "." + name->overload_name;
    if (!kNames.contains(full) || is_on_meta_device(function)) return nullptr;
    const std::lock_guard lock(mutex());
    ++counts()[full];
    return nullptr;
  }
  // Autograd uses the meta device to compute the sizes of tangents that are zero.
  static bool is_on_meta_device(const at::RecordFunction& function) {
    const auto inputs = function.inputs();
    return std::any_of(inputs.begin(), inputs.end(), [](const c10::IValue& input) {
      return input.isDevice() && input.toDevice().is_meta();
    });
  }
  static std::map<std::string, int>& counts() {
    static std::map<std::string, int> all;
    return all;
  }
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }

  at::CallbackHandle handle_;
};

inline std::string device_traffic_of(const std::function<void()>& step) {
  step();
  const DeviceTraffic traffic;
  step();
  return traffic.found();
}

}  // namespace roboimi
