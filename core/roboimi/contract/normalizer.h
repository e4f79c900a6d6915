// Affine normalisation whose statistics live in buffers, and so in every checkpoint.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// Over all rows of the training episodes.
struct Statistics {
  at::Tensor min, max, mean, std;  // float32 [D]
  at::Tensor covariance;           // float64 [D, D]; undefined where D > kLargestCovariance
  static constexpr std::int64_t kLargestCovariance = 4096;
  // rows [N, D], N >= 1. std and covariance are the population's. Error when a value is not finite.
  ROBOIMI_EXPORT static Statistics of(const at::Tensor& rows);
};

enum class Normalization {
  kMinMax,   // to [-1, 1]; a range under 1e-4 is shifted to 0 and not scaled
  kMeanStd,  // to mean 0, std 1; std is at least 1e-2
  // As kMeanStd, then along the principal axes, each divided by sqrt(its variance + 1e-3), so that
  // directions in which features hardly vary are as large as the others (PCA whitening; Hyvarinen
  // and Oja, 2000). The axes stand in order of growing variance.
  kWhiten,
  kIdentity,
};
// "min_max", "mean_std", "whiten", "identity".
ROBOIMI_EXPORT std::string to_string(Normalization kind);
// The reverse; Error for any other name.
ROBOIMI_EXPORT Normalization normalization_from(const std::string& name);

class ROBOIMI_EXPORT Normalizer : public torch::nn::Module {
 public:
  // `what` names the quantity in errors ("state", "action").
  Normalizer(std::string what, std::int64_t dim, Normalization kind);
  ~Normalizer() override;

  // Error when the sizes differ, or kWhiten lacks a covariance.
  void fit(const Statistics& statistics);
  bool fitted() const;  // always, for kIdentity
  std::int64_t dim() const { return dim_; }

  // [..., D] -> [..., D]. Error when the last dimension is not D. Whether fit() came first is the
  // agent's to check, once: asking here would synchronise the device in every step.
  at::Tensor normalize(const at::Tensor& x) const;
  at::Tensor unnormalize(const at::Tensor& x) const;

 private:
  void check(const at::Tensor& x) const;

  std::string what_;
  std::int64_t dim_;
  Normalization kind_;
  // y = (x - shift) * scale. `is_fitted` is a buffer too: a checkpoint without statistics stays
  // one.
  at::Tensor shift_, scale_, is_fitted_;
  // kWhiten alone, after the scale: [D, D], an axis a column, and [D]. y = (x - shift) * scale @
  // axes / widths.
  at::Tensor axes_, widths_;
};

}  // namespace roboimi
