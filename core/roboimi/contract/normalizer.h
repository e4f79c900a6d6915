// Affine normalization with statistics from the training data. They are stored in buffers, and
// therefore in every checkpoint.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// Statistics of a quantity over all rows of the training episodes.
struct Statistics {
  at::Tensor min, max, mean, std;  // float32 [D]
  at::Tensor q01, q99;    // float32 [D], the 1st and 99th percentiles; undefined unless requested
  at::Tensor covariance;  // float64 [D, D]; undefined if D > kLargestCovariance
  static constexpr std::int64_t kLargestCovariance = 4096;
  // The statistics of rows [N, D], N >= 1. std and covariance are normalized by N; percentiles are
  // interpolated linearly between rows. Throws Error if a value is not finite.
  ROBOIMI_EXPORT static Statistics of(const at::Tensor& rows, bool with_percentiles = false);
};

enum class Normalization {
  kMinMax,   // to [-1, 1]; a range below 1e-4 is shifted to 0 and not scaled
  kMeanStd,  // to mean 0, std 1; divides by at least 1e-2
  // As kMeanStd, then projected onto the principal axes, each divided by sqrt(its variance + 1e-3),
  // so that directions with little variance get the same scale as the others (PCA whitening;
  // Hyvarinen and Oja, 2000). The axes are sorted by increasing variance.
  kWhiten,
  kIdentity,
  // The 1st percentile to -1 and the 99th to 1, so that outliers do not set the scale; a range
  // below 1e-4 is shifted to 0 and not scaled.
  kQuantile,
};
// "min_max", "mean_std", "whiten", "identity", "quantile".
ROBOIMI_EXPORT std::string to_string(Normalization kind);
// The inverse. Throws Error for any other name.
ROBOIMI_EXPORT Normalization normalization_from(const std::string& name);

class ROBOIMI_EXPORT Normalizer : public torch::nn::Module {
 public:
  // `what` names the quantity in error messages ("state", "action").
  Normalizer(std::string what, std::int64_t dim, Normalization kind);
  // With a separate normalization for each dimension; kWhiten is not allowed.
  Normalizer(std::string what, std::vector<Normalization> kinds);
  ~Normalizer() override;

  // Sets the statistics. Throws Error if their size is not dim(), kWhiten has no covariance, or
  // kQuantile has no percentiles.
  void fit(const Statistics& statistics);
  bool fitted() const;  // always true if all dimensions are kIdentity
  std::int64_t dim() const { return dim_; }

  // [..., D] -> [..., D]. Throws Error if the last dimension is not D. The agent must check once
  // that fit() was called: a check here would synchronize the device in every step.
  at::Tensor normalize(const at::Tensor& x) const;
  at::Tensor unnormalize(const at::Tensor& x) const;

 private:
  void check(const at::Tensor& x) const;
  bool has(Normalization kind) const;

  std::string what_;
  std::int64_t dim_;
  std::vector<Normalization> kinds_;  // of each dimension
  // y = (x - shift) * scale. `is_fitted` is a buffer too, so that a checkpoint saved without
  // statistics is still without them after loading.
  at::Tensor shift_, scale_, is_fitted_;
  // Only for kWhiten: [D, D], one axis per column, and [D].
  // y = ((x - shift) * scale) @ axes / widths.
  at::Tensor axes_, widths_;
};

}  // namespace roboimi
