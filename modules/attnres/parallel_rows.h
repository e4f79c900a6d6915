// Runs a kernel over rows on ATen's threads.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

namespace roboimi::attnres {

// Under this many rows a second thread costs more than it gives.
inline constexpr std::int64_t kGrainRows = 48;

template <typename Arguments>
void over_rows(void (*kernel)(const Arguments&, std::int64_t, std::int64_t),
               const Arguments& arguments, std::int64_t rows, std::int64_t grain = kGrainRows) {
  if (rows == 0) return;
  at::parallel_for(0, rows, grain,
                   [&](std::int64_t begin, std::int64_t end) { kernel(arguments, begin, end); });
}

}  // namespace roboimi::attnres
