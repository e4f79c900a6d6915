// Random numbers that depend on nothing but their seed.
//
// Every draw takes an explicit generator; the process's default generator is left as it was found.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// A generator on `device`, seeded.
ROBOIMI_EXPORT at::Generator make_generator(std::uint64_t seed, c10::Device device = c10::kCPU);

// Mixes a seed with up to three coordinates (step, episode, replan) into an independent seed, so
// that a draw is a pure function of its place: mix_seed(seed, step). SplitMix64 finaliser.
ROBOIMI_EXPORT std::uint64_t mix_seed(std::uint64_t seed, std::uint64_t a, std::uint64_t b = 0,
                                      std::uint64_t c = 0);

// Dropout that draws its mask from `generator` (at::dropout draws from the default one). `x` any
// shape, floating; identity when p == 0.
ROBOIMI_EXPORT at::Tensor dropout(const at::Tensor& x, double p, at::Generator& generator);

// The source of a batch's random numbers: one generator for all rows, or one for each row, so that
// a row's numbers do not depend on the rows beside it.
//
//   at::Generator generator = make_generator(seed);
//   head.sample(condition, generator);                        // one for all rows
//   head.sample(condition, BatchGenerator({first, second}));  // rows 0 and 1
class ROBOIMI_EXPORT BatchGenerator {
 public:
  BatchGenerator(const at::Generator& generator) : generators_{generator} {}  // NOLINT: implicit
  explicit BatchGenerator(std::vector<at::Generator> rows) : generators_(std::move(rows)) {}

  // Standard normal numbers of shape `sizes` = [B, ...]. With a generator a row, row i holds what
  // its generator alone gives for [1, ...]. Error: another number of rows than generators.
  at::Tensor randn(at::IntArrayRef sizes, const at::TensorOptions& options) const;

 private:
  std::vector<at::Generator> generators_;
};

// Constructing a module draws from the default CPU generator. While alive, this guard holds that
// generator seeded with `seed`; afterwards the old state is back. Not reentrant across threads: it
// locks a process-wide mutex.
class ROBOIMI_EXPORT SeededConstruction {
 public:
  explicit SeededConstruction(std::uint64_t seed);
  ~SeededConstruction();
  SeededConstruction(const SeededConstruction&) = delete;
  SeededConstruction& operator=(const SeededConstruction&) = delete;

 private:
  std::unique_lock<std::recursive_mutex> lock_;
  at::Tensor saved_state_;
};

}  // namespace roboimi
