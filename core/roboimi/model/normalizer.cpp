#include "roboimi/model/normalizer.h"

#include <ATen/ATen.h>

#include "roboimi/common/error.h"
#include "roboimi/model/min_max.h"

namespace roboimi {
namespace {

constexpr double kSmallestRange = 1e-4;
constexpr double kSmallestStd = 1e-2;

}  // namespace

at::Tensor half_range(const at::Tensor& min, const at::Tensor& max) {
  const at::Tensor range = max - min;
  return at::where(range < kSmallestRange, at::ones_like(range), range / 2);
}

Statistics Statistics::of(const at::Tensor& rows) {
  if (rows.dim() != 2 || rows.size(0) < 1) {
    throw Error({.what = "statistics need rows",
                 .expected = "[N, D] with N >= 1",
                 .found = c10::str(rows.sizes())});
  }
  const at::Tensor wide = rows.to(at::kDouble);
  if (!wide.isfinite().all().item<bool>()) {
    throw Error(
        {.what = "statistics of values that are not finite",
         .expected = "finite numbers",
         .found = c10::str((~wide.isfinite()).sum().item<std::int64_t>(), " NaN or infinite"),
         .next = "look for broken episodes in the data"});
  }
  auto single = [](const at::Tensor& x) { return x.to(at::kFloat); };
  return {single(wide.amin(0)), single(wide.amax(0)), single(wide.mean(0)),
          single(wide.std(0, /*unbiased=*/false))};
}

Normalization normalization_from(const std::string& name) {
  if (name == "min_max") return Normalization::kMinMax;
  if (name == "mean_std") return Normalization::kMeanStd;
  if (name == "identity") return Normalization::kIdentity;
  throw Error({.what = "unknown normalisation",
               .expected = "min_max, mean_std or identity",
               .found = name});
}

Normalizer::Normalizer(std::string what, std::int64_t dim, Normalization kind)
    : torch::nn::Module("Normalizer"), what_(std::move(what)), dim_(dim), kind_(kind) {
  shift_ = register_buffer("shift", at::zeros({dim}));
  scale_ = register_buffer("scale", at::ones({dim}));
  is_fitted_ = register_buffer("is_fitted", at::zeros({}, at::kBool));
}

Normalizer::~Normalizer() = default;

void Normalizer::fit(const Statistics& statistics) {
  torch::NoGradGuard no_grad;
  if (statistics.min.numel() != dim_) {
    throw Error({.what = "statistics of '" + what_ + "' have the wrong size",
                 .expected = std::to_string(dim_),
                 .found = std::to_string(statistics.min.numel())});
  }
  at::Tensor shift = at::zeros({dim_});
  at::Tensor scale = at::ones({dim_});
  if (kind_ == Normalization::kMinMax) {
    shift = (statistics.max + statistics.min) / 2;
    scale = 1 / half_range(statistics.min, statistics.max);
  } else if (kind_ == Normalization::kMeanStd) {
    shift = statistics.mean;
    scale = 1 / statistics.std.clamp_min(kSmallestStd);
  }
  shift_.copy_(shift);
  scale_.copy_(scale);
  is_fitted_.fill_(true);
}

bool Normalizer::fitted() const {
  return kind_ == Normalization::kIdentity || is_fitted_.item<bool>();
}

void Normalizer::check(const at::Tensor& x) const {
  if (x.dim() < 1 || x.size(-1) != dim_) {
    throw Error({.what = "'" + what_ + "' does not fit its normaliser",
                 .expected = "[..., " + std::to_string(dim_) + "]",
                 .found = c10::str(x.sizes())});
  }
}

at::Tensor Normalizer::normalize(const at::Tensor& x) const {
  check(x);
  return (x - shift_) * scale_;
}

at::Tensor Normalizer::unnormalize(const at::Tensor& x) const {
  check(x);
  return x / scale_ + shift_;
}

}  // namespace roboimi
