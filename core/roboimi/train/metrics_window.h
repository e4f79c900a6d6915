// The training metrics of some steps: sums on the device, read once for all of them.
//
//   MetricsWindow window(device);
//   window.add_batch(report, 1);
//   window.finish_step(step, gradient_norm);
//   Scalars line = window.means(communicator);   // "train/loss", "train/gradient_norm", ...
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/common/export.h"
#include "roboimi/contract/communicator.h"
#include "roboimi/contract/head.h"
#include "roboimi/track/tracker.h"

namespace roboimi {

class ROBOIMI_EXPORT MetricsWindow {
 public:
  explicit MetricsWindow(c10::Device device);

  // One batch of `accumulate` that make a step.
  void add_batch(const LossReport& report, std::int64_t accumulate);
  void finish_step(std::int64_t step, const at::Tensor& gradient_norm);
  // The same in two halves, as a CUDA graph needs them: what is on the device, with the step's
  // number there (0-d int64), and the count.
  void add_norm(const at::Tensor& step, const at::Tensor& gradient_norm);
  void count_step() { ++steps_; }
  void add_data_time(std::chrono::steady_clock::duration spent) { data_time_ += spent; }
  // Time that is not to count as training.
  void leave_out(std::chrono::steady_clock::duration spent) { started_ += spent; }

  // The means over the steps and the processes, "train/data_ms" and this process's
  // "train/steps_per_second" among them. Collective. Not to be called before a step.
  Scalars means(Communicator& communicator) const;
  // For a checkpoint: what the next line has of the steps so far. Collective.
  MetricsSums sums(Communicator& communicator) const;
  // Goes on from there, in an empty window: the next line covers those steps as well.
  void restore(const MetricsSums& sums, const Communicator& communicator);
  // The first step whose loss or gradient was no finite number; -1: there is none.
  std::int64_t first_bad_step() const { return first_bad_step_.item<std::int64_t>(); }
  // An empty window whose sums stay where they are: a CUDA graph adds to them there.
  void clear_in_place();
  std::size_t num_sums() const { return sums_.size(); }

 private:
  void add(const std::string& name, const at::Tensor& value, std::int64_t parts);
  at::Tensor read_sums() const;
  at::Tensor is_first_bad(const at::Tensor& gradient_norm) const;

  std::map<std::string, at::Tensor> sums_;  // 0-d
  at::Tensor first_bad_step_;               // 0-d int64
  std::int64_t steps_ = 0;
  std::int64_t restored_steps_ = 0;  // of them, which took this process no time
  std::chrono::steady_clock::duration data_time_{};
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace roboimi
