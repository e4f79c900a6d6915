// Waiting in a test for what another process or thread does.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace roboimi {

// Asks every `pause` until `condition` holds; false when it does not within `limit`.
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
