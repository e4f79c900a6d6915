// Training metrics accumulated over a window of steps: sums on the device that are read only once
// per window.
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

  // Adds one batch of a step that consists of `accumulate` batches.
  void add_batch(const LossReport& report, std::int64_t accumulate);
  void finish_step(std::int64_t step, const at::Tensor& gradient_norm);
  // finish_step() in two parts, for CUDA graphs: the work on the device, with the step's number as
  // a 0-d int64 tensor there, and the count on the host.
  void add_norm(const at::Tensor& step, const at::Tensor& gradient_norm);
  void count_step() { ++steps_; }
  void add_data_time(std::chrono::steady_clock::duration spent) { data_time_ += spent; }
  // Excludes `spent` from the time that counts as training.
  void exclude_time(std::chrono::steady_clock::duration spent) { started_ += spent; }

  // The means over the steps and the processes, including "train/data_ms" and this process's
  // "train/steps_per_second". Collective. Needs at least one step in the window. Throws Error in
  // every process if their metrics have different names.
  Scalars means(Communicator& communicator) const;
  // The sums of the unfinished window, for a checkpoint. Collective. Throws the same Error.
  MetricsSums sums(Communicator& communicator) const;
  // Continues an unfinished window from a checkpoint, so that the next line also covers its steps.
  // This window must be empty.
  void restore(const MetricsSums& sums, const Communicator& communicator);
  // The first step whose loss or gradient was not finite; -1 if there is none.
  std::int64_t first_bad_step() const { return first_bad_step_.item<std::int64_t>(); }
  // Empties the window but keeps the sums' memory, because a CUDA graph adds to these addresses.
  void clear_in_place();
  std::size_t num_sums() const { return sums_.size(); }

 private:
  void add(const std::string& name, const at::Tensor& value, std::int64_t parts);
  void require_same_metrics(Communicator& communicator) const;
  at::Tensor read_sums() const;
  at::Tensor is_first_bad(const at::Tensor& gradient_norm) const;

  std::map<std::string, at::Tensor> sums_;  // 0-d
  at::Tensor first_bad_step_;               // 0-d int64
  std::int64_t steps_ = 0;
  std::int64_t restored_steps_ = 0;  // part of steps_; not included in this process's timing
  std::chrono::steady_clock::duration data_time_{};
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace roboimi
