// Linear probes: ridge regressions that measure how well a quantity can be predicted from a
// representation.
//
//   std::vector<ProbeResult> results = linear_probes(train, held_out, {});
//   results[0].name   "box_position"
//   results[0].r2     0.93 on the held-out episodes, with a confidence interval
//
// The representation is standardized with the training rows' mean and standard deviation; weights
// minimize ||Y - Z W - b||^2 + ridge * N * ||W||^2. R^2 = 1 - sum |y - prediction|^2 /
// sum |y - mean|^2 over all elements of the quantity and all held-out rows. The mean is that of the
// training rows, so a representation without information scores 0 or less. Intervals are
// percentiles over resampled episodes (bootstrap), because the rows of one episode are not
// independent.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"

namespace roboimi {

// Representations and labels of some episodes, concatenated.
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
  double rmse = 0.0;                   // root mean squared distance, in the label's unit
};

// One result per label, sorted by name. Throws Error if `train` or `held_out` has no episode, or if
// their labels differ.
ROBOIMI_EXPORT std::vector<ProbeResult> linear_probes(const ProbeData& train,
                                                      const ProbeData& held_out,
                                                      const ProbeOptions& options);

// The labels of these episodes, concatenated, plus the robot's state as "state". Labels that are
// missing in some of the episodes are omitted.
ROBOIMI_EXPORT std::map<std::string, at::Tensor> probe_labels(
    const Dataset& dataset, const std::vector<std::int64_t>& episodes);

}  // namespace roboimi
