// A delay of the process's models, for checks of deadlines. Internal; not installed.
//
//   SlowModels slow(std::chrono::milliseconds(600));
//   slow.delay_next();   // the next matrix product or convolution, on any thread, takes that
//   longer
//
// No thread may compute while one is created or destroyed. Only one may exist at a time.
#pragma once

#include <chrono>
#include <cstdint>

namespace roboimi::testing {

class SlowModels {
 public:
  explicit SlowModels(std::chrono::milliseconds delay);
  ~SlowModels();
  SlowModels(const SlowModels&) = delete;
  SlowModels& operator=(const SlowModels&) = delete;

  void delay_next();

 private:
  std::uint64_t callback_;  // libtorch's handle
};

}  // namespace roboimi::testing
