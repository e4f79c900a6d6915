#include "roboimi/testing/sample_data.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/io/safetensors.h"
#include "roboimi/testing/check.h"
#include "roboimi/testing/live_bytes.h"

namespace roboimi::testing {
namespace {

constexpr int kFewCalls = 20, kManyCalls = 200;
constexpr std::chrono::seconds kPatience{1};

// Letters, padded with zeros after a random length of at least 1.
at::Tensor random_text(const std::vector<std::int64_t>& shape, at::Generator& generator) {
  const at::Tensor letters =
      at::randint('a', 'z' + 1, shape, generator, at::TensorOptions(at::kByte));
  std::vector<std::int64_t> lengths = shape;
  lengths.back() = 1;
  const at::Tensor length = at::randint(1, shape.back() + 1, lengths, generator);
  return letters.masked_fill(at::arange(shape.back()).ge(length), 0);
}

// Random bytes for RGB images, letters for text, 0.25 to 3 m for depth, 0 to 1 for vectors.
at::Tensor random_values(const StreamSpec& stream, const std::vector<std::int64_t>& shape,
                         at::Generator& generator) {
  switch (stream.kind) {
    case StreamKind::kRgb:
      return at::randint(0, 256, shape, generator, at::TensorOptions(at::kByte));
    case StreamKind::kText:
      return random_text(shape, generator);
    case StreamKind::kDepth: {
      const double per_meter = stream.unit == "mm" ? 1000.0 : 1.0;
      return (at::rand(shape, generator) * 2.75 + 0.25).mul(per_meter).to(stream.dtype);
    }
    case StreamKind::kVector:
      break;
  }
  return at::rand(shape, generator);
}

void load(torch::nn::Module& module, const TensorMap& tensors, const std::string& how) {
  try {
    load_tensors_strictly(module, tensors, how);
  } catch (const Error& error) {
    throw CheckFailure(
        fmt::format("a second component created with the same options does not accept the weights "
                    "of the first: {}; register the same parameters and buffers every time",
                    error.what()));
  }
}

}  // namespace

ObservationSpec sample_streams() {
  constexpr ImageSize kSize = {.height = 72, .width = 96};
  return {.streams = {rgb_stream("r_vis", kSize), rgb_stream("top", kSize),
                      rgb_stream("front", kSize), depth_stream("r_vis_depth", kSize),
                      depth_stream("top_depth", kSize), depth_stream("front_depth", kSize),
                      text_stream("task", 32)}};
}

Observation random_streams(const ObservationSpec& spec, std::int64_t batch, std::int64_t steps,
                           std::uint64_t seed) {
  Observation streams;
  for (const StreamSpec& stream : spec.streams) {
    std::vector<std::int64_t> shape = {batch, steps};
    shape.insert(shape.end(), stream.shape.begin(), stream.shape.end());
    // Seed by the stream's name, so that a camera's images do not depend on the cameras' order.
    at::Generator generator = make_generator(mix_seed(seed, std::hash<std::string>()(stream.name)));
    streams[stream.name] = random_values(stream, shape, generator);
  }
  return streams;
}

Observation random_observation(const ObservationSpec& spec, std::uint64_t seed) {
  Observation observation;
  for (const auto& [name, values] : random_streams(spec, 1, 1, seed)) {
    observation[name] = values.squeeze(0).squeeze(0);
  }
  if (spec.state_dim() > 0) {
    at::Generator generator = make_generator(mix_seed(seed, 2));
    observation[kVelocity] = at::rand({spec.state_dim()}, generator);
  }
  return observation;
}

double relative_difference(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor a = found.to(at::kDouble), b = expected.to(at::kDouble);
  if (a.sizes() != b.sizes() || a.numel() == 0) return a.sizes() == b.sizes() ? 0.0 : INFINITY;
  const double difference = (a - b).abs().max().item<double>();
  return difference / std::max(1.0, b.abs().max().item<double>());
}

void require_default_generator_untouched(const std::string& what,
                                         const std::function<void()>& call) {
  const at::Generator& generator = at::globalContext().defaultGenerator(c10::kCPU);
  const at::Tensor before = generator.get_state().clone();
  call();
  require(at::equal(before, generator.get_state()),
          fmt::format("{} uses the default random generator; use the one that is passed in "
                      "(roboimi::dropout instead of at::dropout)",
                      what));
}

TensorMap cloned_tensors(const torch::nn::Module& module) {
  TensorMap tensors;
  for (const auto& [name, tensor] : tensors_of(module)) tensors[name] = tensor.detach().clone();
  return tensors;
}

void copy_tensors(const torch::nn::Module& from, torch::nn::Module& to) {
  load(to, cloned_tensors(from), "copy");
}

void copy_through_file(const torch::nn::Module& from, torch::nn::Module& to) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() /
                                     fmt::format("roboimi_check_{}.safetensors", getpid());
  write_safetensors(file, tensors_of(from));
  const TensorFile saved = read_safetensors(file);
  std::filesystem::remove(file);
  load(to, saved.tensors, "file");
}

void perturb(torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  for (const auto& item : module.named_parameters()) {
    if (item.value().is_floating_point()) item.value().add_(0.125);
  }
}

void require_no_growth(const std::string& what, const std::function<void()>& call) {
  // Compare the live bytes after a few and after many calls.
  const LiveBytes live;
  for (int i = 0; i < kFewCalls; ++i) call();
  const std::int64_t before = live.count();
  for (int i = kFewCalls; i < kManyCalls; ++i) call();
  std::int64_t after = live.count();
  // Wait in case a thread of the component is about to free memory.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (after > before && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    after = live.count();
  }
  require(after <= before,
          fmt::format("tensors of {} take {} bytes after {} calls and {} after {}; do not keep "
                      "tensors from call to call",
                      what, before, kFewCalls, after, kManyCalls));
}

void require_one_number(const LossReport& report) {
  require(report.loss.dim() == 0,
          fmt::format("the loss has {} dimensions; return a scalar", report.loss.dim()));
  require(std::isfinite(report.loss.item<double>()), "the loss is not finite");
  for (const auto& [name, value] : report.metrics) {
    require(value.dim() == 0, fmt::format("metric '{}' is not a scalar", name));
    require(!value.requires_grad(), fmt::format("metric '{}' is not detached", name));
  }
}

void require_gradients(const torch::nn::Module& module, const at::Tensor& loss) {
  require(loss.requires_grad(),
          "the result has no gradient for any parameter; look for a detach() or a NoGradGuard");
  loss.backward();
  for (const auto& item : module.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const at::Tensor& gradient = item.value().grad();
    require(gradient.defined(),
            fmt::format("'{}' gets no gradient; use it, or set requires_grad(false)", item.key()));
    require(gradient.isfinite().all().item<bool>(),
            fmt::format("the gradient of '{}' is not finite", item.key()));
  }
}

}  // namespace roboimi::testing
