// The order in which training draws windows: an infinite sequence, divided between parts of the
// data in proportion to their weights.
//
//   WindowOrder order({{.windows = monday, .weight = 3.0}, {.windows = tuesday}}, seed);
//   order.windows(0, 64);   // 48 windows of monday, then 16 of tuesday
//
// Each part has a sequence of permutations of its windows, so a window is drawn again only after
// all others of its part. Of the first n positions, each part has its share of n, up to rounding:
// errors do not add up over the batches. A draw is a function of the seed and its position, and
// needs no earlier ones. With one part, the sequence is a permutation per epoch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT WindowOrder {
 public:
  struct Part {
    at::Tensor windows;   // int64 [N] on the CPU, not empty
    double weight = 1.0;  // positive and finite
  };

  WindowOrder(const std::vector<Part>& parts, std::uint64_t seed);

  // The windows at positions [first, last), int64 [last - first] on the CPU, grouped by part. Safe
  // to call from several threads at once.
  at::Tensor windows(std::int64_t first, std::int64_t last) const;

  double share(std::size_t part) const;  // from 0 to 1; weights are rounded by about 1e-7

 private:
  struct Sequence {
    at::Tensor windows;
    std::int64_t units = 0;                     // share, as an integer
    std::map<std::int64_t, at::Tensor> passes;  // permutations of the windows, by number
  };

  std::vector<std::int64_t> counts_before(std::int64_t position) const;
  at::Tensor pass(std::size_t part, std::int64_t number) const;

  std::uint64_t seed_;
  std::int64_t all_units_ = 0;
  mutable std::mutex mutex_;  // guards Sequence::passes
  mutable std::vector<Sequence> sequences_;
};

}  // namespace roboimi
