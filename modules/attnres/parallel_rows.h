// Runs a kernel over rows with ATen's threads.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

namespace roboimi::attnres {

// With fewer rows than this, a second thread costs more than it saves.
inline constexpr std::int64_t kGrainRows = 48;

template <typename Arguments>
void over_rows(void (*kernel)(const Arguments&, std::int64_t, std::int64_t),
               const Arguments& arguments, std::int64_t rows, std::int64_t grain = kGrainRows) {
  if (rows == 0) return;
  at::parallel_for(0, rows, grain,
                   [&](std::int64_t begin, std::int64_t end) { kernel(arguments, begin, end); });
}

}  // namespace roboimi::attnres
