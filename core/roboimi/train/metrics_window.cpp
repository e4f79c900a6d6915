#include "roboimi/train/metrics_window.h"

#include <algorithm>
#include <vector>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

double seconds_of(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// The text of process `rank`, in every process. Collective.
std::string text_of_rank(std::int64_t rank, const std::string& text, Communicator& communicator) {
  at::Tensor size = at::full({}, static_cast<std::int64_t>(text.size()), at::kLong);
  communicator.broadcast(size, rank);
  at::Tensor bytes = at::empty({size.item<std::int64_t>()}, at::kByte);
  if (communicator.rank() == rank) {
    std::copy(text.begin(), text.end(), bytes.mutable_data_ptr<std::uint8_t>());
  }
  communicator.broadcast(bytes, rank);
  return {static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()};
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
  first_bad_step_.masked_fill_(is_first_bad(gradient_norm), step);
  count_step();
}

void MetricsWindow::add_norm(const at::Tensor& step, const at::Tensor& gradient_norm) {
  add("gradient_norm", gradient_norm, 1);
  // masked_fill_() would read the step's number from the device.
  first_bad_step_.copy_(at::where(is_first_bad(gradient_norm), step, first_bad_step_));
}

// A non-finite loss gives non-finite gradients, and a sum of losses stays non-finite.
at::Tensor MetricsWindow::is_first_bad(const at::Tensor& gradient_norm) const {
  const at::Tensor bad = at::isfinite(sums_.at("loss") + gradient_norm).logical_not();
  return bad.logical_and(first_bad_step_ < 0);
}

void MetricsWindow::clear_in_place() {
  for (auto& [name, sum] : sums_) sum.zero_();
  first_bad_step_.fill_(-1);
  steps_ = restored_steps_ = 0;
  data_time_ = {};
  started_ = std::chrono::steady_clock::now();
}

void MetricsWindow::add(const std::string& name, const at::Tensor& value, std::int64_t parts) {
  at::Tensor& sum = sums_[name];
  const at::Tensor part = value.to(at::kFloat) / static_cast<double>(parts);
  sum = sum.defined() ? sum.add_(part) : part;
}

// Sums of different metrics would be added to each other, or the processes would wait forever.
void MetricsWindow::require_same_metrics(Communicator& communicator) const {
  if (communicator.size() == 1) return;
  std::string names;
  for (const auto& item : sums_) names += (names.empty() ? "" : ", ") + item.first;
  const std::string first = broadcast_text(names, communicator);
  // In every process, the lowest rank whose metrics differ from those of rank 0.
  at::Tensor differs = at::zeros({communicator.size()}, at::kLong);
  differs[communicator.rank()] = names != first ? 1 : 0;
  communicator.all_reduce(differs);
  if (differs.sum().item<std::int64_t>() == 0) return;
  const std::int64_t other = differs.argmax().item<std::int64_t>();
  throw Error(
      {.what = "the agent reports other metrics in different processes",
       .where = "Agent::loss()",
       .expected = "those of rank 0 in every process: " + first,
       .found = text_of_rank(other, names, communicator) + " in rank " + std::to_string(other),
       .next = "report the same metrics for every batch"});
}

Scalars MetricsWindow::means(Communicator& communicator) const {
  ROBOIMI_CHECK(steps_ > 0, "no step in the window");
  require_same_metrics(communicator);
  const auto steps = static_cast<double>(steps_);
  const auto timed_steps = static_cast<double>(steps_ - restored_steps_);
  const at::Tensor data = at::full({1}, 1e3 * seconds_of(data_time_) / timed_steps, at::kDouble);
  const at::Tensor mean = average(at::cat({read_sums() / steps, data}), communicator);
  Scalars means;
  std::int64_t i = 0;
  for (const auto& item : sums_) means["train/" + item.first] = mean[i++].item<double>();
  means["train/data_ms"] = mean[i].item<double>();
  means["train/steps_per_second"] =
      timed_steps / seconds_of(std::chrono::steady_clock::now() - started_);
  return means;
}

// Reads all sums from the device in one transfer.
at::Tensor MetricsWindow::read_sums() const {
  std::vector<at::Tensor> values;
  for (const auto& item : sums_) values.push_back(item.second);
  return at::stack(values).to(at::kDouble).cpu();
}

MetricsSums MetricsWindow::sums(Communicator& communicator) const {
  MetricsSums sums{.steps = steps_};
  if (steps_ == 0) return sums;
  require_same_metrics(communicator);
  // One row per process, zero in the other processes: the all-reduce keeps each row bit-exact.
  const at::Tensor own = read_sums();
  at::Tensor rows = at::zeros({communicator.size(), own.size(0)}, at::kDouble);
  rows[communicator.rank()].copy_(own);
  communicator.all_reduce(rows);
  for (std::int64_t process = 0; process < communicator.size(); ++process) {
    std::map<std::string, double>& values = sums.processes.emplace_back();
    std::int64_t i = 0;
    for (const auto& item : sums_) values[item.first] = rows[process][i++].item<double>();
  }
  return sums;
}

void MetricsWindow::restore(const MetricsSums& sums, const Communicator& communicator) {
  if (sums.steps == 0 || sums.processes.empty()) return;
  steps_ = restored_steps_ = sums.steps;
  std::map<std::string, double> values;
  const auto count = static_cast<std::int64_t>(sums.processes.size());
  if (count == communicator.size()) {
    values = sums.processes[static_cast<std::size_t>(communicator.rank())];
  } else {
    // With a different number of processes, continue from the mean over the former processes.
    for (const auto& process : sums.processes) {
      for (const auto& [name, value] : process) values[name] += value / static_cast<double>(count);
    }
  }
  const auto options = at::TensorOptions(at::kFloat).device(first_bad_step_.device());
  for (const auto& [name, value] : values) sums_[name] = at::full({}, value, options);
}

}  // namespace roboimi
