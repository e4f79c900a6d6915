#include "plugins/mujoco_env/egl_devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>

#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

int index_from(std::string_view text, std::size_t count) {
  int index = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (is_number && index >= 0 && std::cmp_less(index, count)) return index;
  throw Error({.what = "no EGL device has this index",
               .where = "MUJOCO_EGL_DEVICE_ID",
               .expected = count == 0 ? "no value, because there are no EGL devices"
                                      : fmt::format("0 to {}", count - 1),
               .found = std::string(text)});
}

}  // namespace

std::vector<int> devices_to_try(const std::vector<EglDevice>& devices, const char* chosen) {
  if (chosen != nullptr && *chosen != '\0') return {index_from(chosen, devices.size())};
  std::vector<int> order(devices.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](int i) {
    const EglDevice& device = devices[static_cast<std::size_t>(i)];
    return std::pair(device.is_software,
                     device.cuda_ordinal.value_or(std::numeric_limits<int>::max()));
  });
  return order;
}

}  // namespace roboimi::mujoco_env
