#include "roboimi/train/metrics_window.h"

#include <vector>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

double seconds_of(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

MetricsWindow::MetricsWindow(c10::Device device)
    : first_bad_step_(at::full({}, -1, at::TensorOptions(at::kLong).device(device))) {}

void MetricsWindow::add_batch(const LossReport& report, std::int64_t accumulate) {
  add("loss", report.loss.detach(), accumulate);
  for (const auto& [name, value] : report.metrics) add(name, value.detach(), accumulate);
}

void MetricsWindow::finish_step(std::int64_t step, const at::Tensor& gradient_norm) {
  add("gradient_norm", gradient_norm, 1);
  // A loss that is not finite has such gradients, and a sum of losses stays so.
  const at::Tensor bad = at::isfinite(sums_.at("loss") + gradient_norm).logical_not();
  first_bad_step_.masked_fill_(bad.logical_and(first_bad_step_ < 0), step);
  ++steps_;
}

void MetricsWindow::add(const std::string& name, const at::Tensor& value, std::int64_t parts) {
  at::Tensor& sum = sums_[name];
  const at::Tensor part = value.to(at::kFloat) / static_cast<double>(parts);
  sum = sum.defined() ? sum.add_(part) : part;
}

Scalars MetricsWindow::means(Communicator& communicator) const {
  ROBOIMI_CHECK(steps_ > 0, "no step in the window");
  const auto steps = static_cast<double>(steps_);
  std::vector<at::Tensor> values;
  for (const auto& item : sums_) values.push_back(item.second);
  // All are read from the device at once.
  const at::Tensor read = at::stack(values).to(at::kDouble).cpu();
  const at::Tensor data = at::full({1}, 1e3 * seconds_of(data_time_), at::kDouble);
  const at::Tensor mean = average(at::cat({read, data}) / steps, communicator);
  Scalars means;
  std::int64_t i = 0;
  for (const auto& item : sums_) means["train/" + item.first] = mean[i++].item<double>();
  means["train/data_ms"] = mean[i].item<double>();
  means["train/steps_per_second"] = steps / seconds_of(std::chrono::steady_clock::now() - started_);
  return means;
}

}  // namespace roboimi
