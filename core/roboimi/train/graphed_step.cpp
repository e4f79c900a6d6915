#include "roboimi/train/graphed_step.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/random.h"

namespace roboimi {
namespace {

// Eager steps at the start, in which libraries choose their algorithms and allocate workspaces.
constexpr std::int64_t kFirstSteps = 3;
// Eager steps after drop().
constexpr std::int64_t kStepsAfterOtherWork = 1;

using Fields = std::map<std::string, at::Tensor>;

Fields fields_of(const Batch& batch) {
  // Binds every member, so that adding one to Batch fails to compile until it is handled here.
  const auto& [observations, features, actions, is_pad] = batch;
  Fields fields = {{"features", features}, {"actions", actions}, {"is_pad", is_pad}};
  for (const auto& [stream, values] : observations) fields["observations." + stream] = values;
  std::erase_if(fields, [](const auto& field) { return !field.second.defined(); });
  return fields;
}

Batch clone_of(const Batch& batch) {
  const auto clone = [](const at::Tensor& x) { return x.defined() ? x.clone() : at::Tensor(); };
  Batch copy{.features = clone(batch.features),
             .actions = clone(batch.actions),
             .is_pad = clone(batch.is_pad)};
  for (const auto& [name, values] : batch.observations) copy.observations[name] = clone(values);
  return copy;
}

// A description of the first difference in shape or dtype.
std::string difference(const Fields& mine, const Fields& given) {
  const auto text = [](const Fields& fields, const std::string& name) {
    const auto found = fields.find(name);
    if (found == fields.end()) return std::string("none");
    return c10::str(found->second.scalar_type(), " ", found->second.sizes());
  };
  for (const Fields* fields : {&mine, &given}) {
    for (const auto& item : *fields) {
      const std::string before = text(mine, item.first), now = text(given, item.first);
      if (before != now) return fmt::format("{} was {}, now {}", item.first, before, now);
    }
  }
  return "";
}

bool same_shapes(const Fields& mine, const Fields& given) {
  return std::ranges::equal(mine, given, [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.sizes() == b.second.sizes() &&
           a.second.scalar_type() == b.second.scalar_type();
  });
}

}  // namespace

void check_cuda_graph(CudaGraphUse use, c10::Device device) {
  if (use != CudaGraphUse::kOn || (device.is_cuda() && CudaGraph::available())) return;
  throw Error({.what = "a CUDA graph needs a CUDA device",
               .where = "train.cuda_graph",
               .expected = "device: cuda, or cuda_graph: auto or off",
               .found = fmt::format("cuda_graph: on with device: {}", device.str()),
               .next = "`roboimi doctor` shows the devices that this libtorch finds"});
}

// ---- Inputs -------------------------------------------------------------------------------------

std::string StaticBatch::copy(const Batch& from) {
  const torch::NoGradGuard no_grad;
  if (!is_made_) {
    batch_ = clone_of(from);
    is_made_ = true;
    return "";
  }
  const Fields mine = fields_of(batch_), given = fields_of(from);
  if (!same_shapes(mine, given)) return difference(mine, given);
  for (const auto& [name, values] : given) mine.at(name).copy_(values, /*non_blocking=*/true);
  return "";
}

// ---- Steps --------------------------------------------------------------------------------------

GraphedStep::GraphedStep(c10::Device device, const Options& options, Body body)
    : device_(device), body_(std::move(body)), graph_(device), eager_steps_left_(kFirstSteps) {
  const auto on_device = at::TensorOptions().device(device);
  inputs_.batches.resize(static_cast<std::size_t>(options.parts));
  inputs_.learning_rate = at::zeros({}, on_device.dtype(at::kFloat));
  inputs_.average_weight = at::zeros({}, on_device.dtype(options.weight_type));
  inputs_.step = at::zeros({}, on_device.dtype(at::kLong));
  drop();
}

GraphedStep::~GraphedStep() = default;

void GraphedStep::set_batch(std::int64_t part, const Batch& batch) {
  const std::string difference = inputs_.batches[static_cast<std::size_t>(part)].copy(batch);
  if (!difference.empty()) {
    throw CannotRecord("the shape or dtype of a batch has changed: " + difference);
  }
}

void GraphedStep::drop() {
  graph_.reset();
  eager_steps_left_ = std::max(eager_steps_left_, kStepsAfterOtherWork);
  // A generator stays tied to the recording it was registered in, so create new ones.
  inputs_.generators.clear();
  while (inputs_.generators.size() < inputs_.batches.size()) {
    inputs_.generators.push_back(make_generator(0, device_));
  }
}

void GraphedStep::run(const StepNumbers& numbers) {
  // Set the inputs. Each fill is a kernel with its value as an argument, not a copy from the host.
  inputs_.learning_rate.fill_(numbers.learning_rate);
  inputs_.average_weight.fill_(numbers.average_weight);
  inputs_.step.fill_(numbers.step);
  const auto seed = [&] {
    for (std::size_t i = 0; i < numbers.seeds.size(); ++i) {
      inputs_.generators[i].set_current_seed(numbers.seeds[i]);
    }
  };
  seed();
  // Run the first steps, and those after drop(), without a graph.
  if (eager_steps_left_ > 0) {
    graph_.run_eagerly([this] { body_(inputs_); });
    --eager_steps_left_;
    return;
  }
  if (!graph_.is_recorded()) {
    record();
    seed();  // recording may have advanced the generators
  }
  graph_.replay();
}

void GraphedStep::record() {
  const auto started = std::chrono::steady_clock::now();
  inputs_.is_recording = true;
  try {
    graph_.record(inputs_.generators, [this] { body_(inputs_); });
  } catch (const std::exception& error) {
    inputs_.is_recording = false;
    throw CannotRecord(one_line_message(error));
  }
  inputs_.is_recording = false;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  const auto level = was_recorded_ ? spdlog::level::debug : spdlog::level::info;
  logger().log(level, "recorded the training step as a CUDA graph in {:.2f} s", seconds);
  was_recorded_ = true;
}

}  // namespace roboimi
