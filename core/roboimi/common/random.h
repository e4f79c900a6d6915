// Random numbers that depend only on an explicit seed.
//
// Every function takes a generator explicitly; none changes the state of libtorch's default
// generator.
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

// A seeded generator on `device`.
ROBOIMI_EXPORT at::Generator make_generator(std::uint64_t seed, c10::Device device = c10::kCPU);

// Mixes a seed with up to three coordinates (such as step or episode) into an independent seed, so
// that a random draw is a pure function of them: mix_seed(seed, step). Uses SplitMix64's finalizer.
ROBOIMI_EXPORT std::uint64_t mix_seed(std::uint64_t seed, std::uint64_t a, std::uint64_t b = 0,
                                      std::uint64_t c = 0);

// Dropout that draws its mask from `generator` (at::dropout uses the default generator). `x`:
// floating, any shape. Returns `x` if p == 0.
ROBOIMI_EXPORT at::Tensor dropout(const at::Tensor& x, double p, at::Generator& generator);

// The source of random numbers for a batch: one generator for all rows, or one per row, so that the
// numbers of a row do not depend on the other rows.
//
//   at::Generator generator = make_generator(seed);
//   head.sample(condition, generator);                        // one for all rows
//   head.sample(condition, BatchGenerator({first, second}));  // rows 0 and 1
class ROBOIMI_EXPORT BatchGenerator {
 public:
  BatchGenerator(const at::Generator& generator) : generators_{generator} {}  // NOLINT: implicit
  explicit BatchGenerator(std::vector<at::Generator> rows) : generators_(std::move(rows)) {}

  // Standard normal numbers of shape `sizes` = [B, ...]. With one generator per row, row i equals
  // what its generator returns for [1, ...]. Throws Error if there are several generators and their
  // number is not B.
  at::Tensor randn(at::IntArrayRef sizes, const at::TensorOptions& options) const;

 private:
  std::vector<at::Generator> generators_;
};

// A scope guard for the construction of modules, which draws from the default CPU generator. It
// seeds that generator with `seed` and restores the old state at the end. It locks a process-wide
// mutex, so only one thread can hold it at a time.
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
