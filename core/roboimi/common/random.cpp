#include "roboimi/common/random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Functions.h>

#include <string>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

std::recursive_mutex& construction_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

std::uint64_t splitmix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

at::Generator make_generator(std::uint64_t seed, c10::Device device) {
  if (device.is_cpu()) return at::detail::createCPUGenerator(seed);
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

std::uint64_t mix_seed(std::uint64_t seed, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  return splitmix(splitmix(splitmix(splitmix(seed) ^ a) ^ b) ^ c);
}

at::Tensor dropout(const at::Tensor& x, double p, at::Generator& generator) {
  if (p == 0.0) return x;
  if (p == 1.0) return x * 0.0;  // keeps none: the factor below would be 0 / 0
  const at::Tensor keep = at::empty_like(x).bernoulli_(1.0 - p, generator);
  return x * keep.div_(1.0 - p);
}

at::Tensor BatchGenerator::randn(at::IntArrayRef sizes, const at::TensorOptions& options) const {
  if (generators_.size() == 1) return at::randn(sizes, generators_.front(), options);
  if (sizes.empty() || sizes.front() != static_cast<std::int64_t>(generators_.size())) {
    throw Error({.what = "the batch size does not match the number of generators",
                 .expected = std::to_string(generators_.size()) + " rows",
                 .found = c10::str(sizes)});
  }
  std::vector<std::int64_t> row(sizes.begin(), sizes.end());
  row.front() = 1;
  std::vector<at::Tensor> rows;
  for (const at::Generator& generator : generators_) {
    rows.push_back(at::randn(row, generator, options));
  }
  return at::cat(rows);
}

SeededConstruction::SeededConstruction(std::uint64_t seed) : lock_(construction_mutex()) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> guard(generator.mutex());
  saved_state_ = generator.get_state();
  generator.set_current_seed(seed);
}

SeededConstruction::~SeededConstruction() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> guard(generator.mutex());
  generator.set_state(saved_state_);
}

}  // namespace roboimi
