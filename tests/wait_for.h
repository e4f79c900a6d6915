// A helper for tests that wait for another process or thread.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace roboimi {

// Checks `condition` every `pause` until it holds. False if it does not hold within `limit`.
inline bool wait_for(const std::function<bool()>& condition, std::chrono::seconds limit,
                     std::chrono::milliseconds pause = std::chrono::milliseconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace roboimi
