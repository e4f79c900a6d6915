#include "roboimi/common/graphed_function.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <cmath>
#include <exception>
#include <limits>

#include "roboimi/common/checked_form.h"
#include "roboimi/common/cuda_graph.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"

namespace roboimi {
namespace {

std::string shapes_of(const std::vector<at::Tensor>& inputs) {
  std::string text;
  for (const at::Tensor& input : inputs) {
    text += c10::str(input.device(), input.scalar_type(), input.sizes());
  }
  return text;
}

}  // namespace

double relative_difference(const at::Tensor& found, const at::Tensor& expected) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (found.sizes() != expected.sizes()) return kInfinite;
  if (expected.numel() == 0) return 0.0;
  const at::Tensor wide = expected.detach().to(at::kDouble);
  const double difference = (found.detach().to(at::kDouble) - wide).abs().max().item<double>();
  const double scale = wide.abs().max().item<double>();
  const double relative = scale > 0.0 ? difference / scale : difference;
  return std::isfinite(relative) ? relative : kInfinite;
}

struct GraphedFunction::Recording {
  explicit Recording(c10::Device device) : graph(device) {}

  std::vector<at::Tensor> inputs;
  at::Tensor output;
  CudaGraph graph;  // last: its recording is discarded before the tensors
};

GraphedFunction::GraphedFunction(std::string name, const Options& options, Function function)
    : name_(std::move(name)), options_(options), function_(std::move(function)) {}

GraphedFunction::~GraphedFunction() = default;

at::Tensor GraphedFunction::run(const std::vector<at::Tensor>& inputs) {
  ROBOIMI_CHECK(!inputs.empty(), "no inputs");
  const c10::NoGradGuard no_grad;
  const c10::Device device = inputs[0].device();
  if (!device.is_cuda() || !CudaGraph::available() || CudaGraph::is_recording_on(device)) {
    return function_(inputs);
  }
  const std::lock_guard lock(mutex_);
  Recording* const recording = recording_of(inputs);
  if (recording == nullptr) return function_(inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    recording->inputs[i].copy_(inputs[i], /*non_blocking=*/true);
  }
  recording->graph.replay();
  return recording->output.clone();
}

void GraphedFunction::drop() {
  const std::lock_guard lock(mutex_);
  graphs_.clear();
}

// nullptr: run without a graph.
GraphedFunction::Recording* GraphedFunction::recording_of(const std::vector<at::Tensor>& inputs) {
  if (has_failed_ || !gpu_forms_are_enabled()) return nullptr;
  const std::string shapes = shapes_of(inputs);
  if (const auto known = graphs_.find(shapes); known != graphs_.end()) return known->second.get();
  if (graphs_.size() >= kMostGraphs) return nullptr;
  try {
    return graphs_.emplace(shapes, record(inputs)).first->second.get();
  } catch (const std::exception& error) {
    has_failed_ = true;
    graphs_.clear();
    logger().warn("{} runs without a CUDA graph on {}, which is slower: {}", name_,
                  inputs[0].device().str(), one_line_message(error));
    return nullptr;
  }
}

std::unique_ptr<GraphedFunction::Recording> GraphedFunction::record(
    const std::vector<at::Tensor>& inputs) const {
  auto made = std::make_unique<Recording>(inputs[0].device());
  for (const at::Tensor& input : inputs) made->inputs.push_back(input.clone());
  // The first run creates constants and workspaces; the second one is the reference.
  at::Tensor expected;
  for (int run = 0; run < 2; ++run) {
    made->graph.run_eagerly([&] { expected = function_(made->inputs).clone(); });
  }
  made->graph.record({}, [&] { made->output = function_(made->inputs); });
  made->graph.replay();
  const double difference = relative_difference(made->output, expected);
  if (difference <= options_.tolerance) return made;
  throw Error({.what = "a replay of the CUDA graph differs from the same work without a graph",
               .where = name_,
               .expected = fmt::format("a relative difference of at most {}", options_.tolerance),
               .found = fmt::format("{:.3g}", difference)});
}

}  // namespace roboimi
