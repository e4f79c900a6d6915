#include "roboimi/testing/slow_models.h"

#include <ATen/record_function.h>

#include <atomic>
#include <set>
#include <string_view>
#include <thread>

namespace roboimi::testing {
namespace {

// libtorch takes a function pointer as a callback, so the state is global.
std::atomic<std::int64_t> delay_ms = 0;
std::atomic<bool> is_armed = false;

std::unique_ptr<at::ObserverContext> before_operator(const at::RecordFunction& function) {
  static const std::set<std::string_view> slowed = {
      "aten::linear", "aten::matmul",      "aten::mm",           "aten::bmm",
      "aten::addmm",  "aten::convolution", "aten::_convolution", "aten::conv2d"};
  if (is_armed && slowed.contains(function.name()) && is_armed.exchange(false)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
  }
  return nullptr;
}

}  // namespace

SlowModels::SlowModels(std::chrono::milliseconds delay) {
  delay_ms = delay.count();
  is_armed = false;
  callback_ = at::addGlobalCallback(
      at::RecordFunctionCallback(&before_operator).scopes({at::RecordScope::FUNCTION}));
}

SlowModels::~SlowModels() {
  is_armed = false;
  at::removeCallback(callback_);
}

void SlowModels::delay_next() { is_armed = true; }

}  // namespace roboimi::testing
