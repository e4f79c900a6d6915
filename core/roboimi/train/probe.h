// Linear probes: how much of a quantity a representation tells, by ridge regression.
//
//   std::vector<ProbeResult> results = linear_probes(train, held_out, {});
//   results[0].name   "box_position"
//   results[0].r2     0.93 on the held-out episodes, with an interval
//
// The representation is standardised by the training rows; weights minimise
// ||Y - Z W - b||^2 + ridge * N * ||W||^2. R^2 = 1 - sum |y - prediction|^2 / sum |y - mean|^2,
// over all numbers of the quantity and all held-out rows, the mean being that of the training rows:
// a probe that knows nothing gets 0 or less. Intervals: percentiles of resampled episodes, since
// the rows of one episode are no independent draws.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"

namespace roboimi {

// Representations and labels of some episodes, laid end to end.
struct ProbeData {
  at::Tensor representation;                 // float [N, D]
  std::map<std::string, at::Tensor> labels;  // name -> float [N, k]
  std::vector<std::int64_t> first;           // [episodes + 1]: where each episode's rows start
};

struct ProbeOptions {
  double ridge = 1e-4;
  std::int64_t num_resamples = 1000;
  std::uint64_t seed = 0;
};

struct ProbeResult {
  std::string name;
  double r2 = 0.0;
  double r2_low = 0.0, r2_high = 0.0;  // 95 % interval
  double rmse = 0.0;                   // root of the mean squared distance, in the label's unit
};

// One result for each label, in their order. Error: no episode to fit to or to test on, labels that
// differ.
ROBOIMI_EXPORT std::vector<ProbeResult> linear_probes(const ProbeData& train,
                                                      const ProbeData& held_out,
                                                      const ProbeOptions& options);

// The dataset's labels of these episodes, laid end to end, and the robot's state as "state".
ROBOIMI_EXPORT std::map<std::string, at::Tensor> probe_labels(
    const Dataset& dataset, const std::vector<std::int64_t>& episodes);

}  // namespace roboimi
