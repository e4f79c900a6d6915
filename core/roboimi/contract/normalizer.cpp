#include "roboimi/contract/normalizer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/contract/min_max.h"

namespace roboimi {
namespace {

// In the order of Normalization.
constexpr std::array<const char*, 5> kNames = {"min_max", "mean_std", "whiten", "identity",
                                               "quantile"};
constexpr double kSmallestRange = 1e-4;
constexpr double kSmallestStd = 1e-2;
constexpr double kWhiteningFloor = 1e-3;  // of variances whose mean is 1

struct PrincipalAxes {
  at::Tensor axes;       // float64 [D, D], one axis per column
  at::Tensor variances;  // float64 [D], increasing
};

// The principal axes of x * scale. The sign of an axis is arbitrary; it is chosen so that the
// largest component is positive.
PrincipalAxes principal_axes(const at::Tensor& covariance, const at::Tensor& scale) {
  const at::Tensor wide = scale.to(at::kDouble);
  auto [variances, axes] = at::linalg_eigh(covariance * wide.unsqueeze(0) * wide.unsqueeze(1));
  const at::Tensor largest = axes.gather(0, axes.abs().argmax(0, /*keepdim=*/true));
  return {axes * largest.sign(), variances.clamp_min(0)};
}

// A percentile of sorted values [N], interpolated linearly between two of them.
at::Tensor percentile(const at::Tensor& sorted, double percent) {
  const double position = percent / 100.0 * static_cast<double>(sorted.size(0) - 1);
  const auto below = static_cast<std::int64_t>(position);
  const std::int64_t above = std::min(below + 1, sorted.size(0) - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// Shift and scale of one kind of normalization, each [D].
std::pair<at::Tensor, at::Tensor> shift_and_scale(Normalization kind,
                                                  const Statistics& statistics) {
  switch (kind) {
    case Normalization::kMinMax:
      return {(statistics.max + statistics.min) / 2,
              1 / half_range(statistics.min, statistics.max)};
    case Normalization::kQuantile:
      return {(statistics.q99 + statistics.q01) / 2,
              1 / half_range(statistics.q01, statistics.q99)};
    case Normalization::kMeanStd:
    case Normalization::kWhiten:
      return {statistics.mean, 1 / statistics.std.clamp_min(kSmallestStd)};
    case Normalization::kIdentity:
      break;
  }
  return {at::zeros_like(statistics.min), at::ones_like(statistics.min)};
}

}  // namespace

at::Tensor half_range(const at::Tensor& min, const at::Tensor& max) {
  const at::Tensor range = max - min;
  return at::where(range < kSmallestRange, at::ones_like(range), range / 2);
}

Statistics Statistics::of(const at::Tensor& rows, bool with_percentiles) {
  if (rows.dim() != 2 || rows.size(0) < 1) {
    throw Error({.what = "cannot compute statistics of this tensor",
                 .expected = "[N, D] with N >= 1",
                 .found = c10::str(rows.sizes())});
  }
  const at::Tensor wide = rows.to(at::kDouble);
  if (!wide.isfinite().all().item<bool>()) {
    throw Error(
        {.what = "cannot compute statistics: some values are not finite",
         .expected = "finite values",
         .found = c10::str((~wide.isfinite()).sum().item<std::int64_t>(), " NaN or infinite"),
         .next = "look for damaged episodes in the data"});
  }
  auto single = [](const at::Tensor& x) { return x.to(at::kFloat); };
  const at::Tensor mean = wide.mean(0);
  at::Tensor covariance;
  if (wide.size(1) <= kLargestCovariance) {
    // A second copy of the rows, which is freed at the end of the block.
    const at::Tensor centered = wide - mean;
    covariance = centered.t().mm(centered) / wide.size(0);
  }
  Statistics statistics{.min = single(wide.amin(0)),
                        .max = single(wide.amax(0)),
                        .mean = single(mean),
                        .std = single(wide.std(0, /*unbiased=*/false)),
                        .covariance = covariance};
  if (with_percentiles) {
    // Column by column, because sorting needs memory for the values and their places.
    std::vector<at::Tensor> low, high;
    for (std::int64_t column = 0; column < wide.size(1); ++column) {
      const at::Tensor sorted = std::get<0>(wide.select(1, column).sort(0));
      low.push_back(percentile(sorted, 1.0));
      high.push_back(percentile(sorted, 99.0));
    }
    const at::Tensor none = at::empty({0}, at::kDouble);
    statistics.q01 = single(low.empty() ? none : at::stack(low));
    statistics.q99 = single(high.empty() ? none : at::stack(high));
  }
  return statistics;
}

std::string to_string(Normalization kind) { return kNames.at(static_cast<std::size_t>(kind)); }

Normalization normalization_from(const std::string& name) {
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found != kNames.end()) return static_cast<Normalization>(found - kNames.begin());
  throw Error({.what = "unknown normalization",
               .expected = fmt::format("one of {}", fmt::join(kNames, ", ")),
               .found = name});
}

Normalizer::Normalizer(std::string what, std::int64_t dim, Normalization kind)
    : Normalizer(std::move(what), std::vector<Normalization>(static_cast<std::size_t>(dim), kind)) {
}

Normalizer::Normalizer(std::string what, std::vector<Normalization> kinds)
    : torch::nn::Module("Normalizer"),
      what_(std::move(what)),
      dim_(std::ssize(kinds)),
      kinds_(std::move(kinds)) {
  const bool whitens = has(Normalization::kWhiten);
  if (whitens && std::ranges::count(kinds_, Normalization::kWhiten) != dim_) {
    throw Error({.what = "'" + what_ + "' cannot be whitened in some dimensions only",
                 .expected = "whiten for all dimensions or for none"});
  }
  shift_ = register_buffer("shift", at::zeros({dim_}));
  scale_ = register_buffer("scale", at::ones({dim_}));
  is_fitted_ = register_buffer("is_fitted", at::zeros({}, at::kBool));
  if (whitens) {
    axes_ = register_buffer("axes", at::eye(dim_));
    widths_ = register_buffer("widths", at::ones({dim_}));
  }
}

bool Normalizer::has(Normalization kind) const {
  return std::ranges::find(kinds_, kind) != kinds_.end();
}

Normalizer::~Normalizer() = default;

void Normalizer::fit(const Statistics& statistics) {
  torch::NoGradGuard no_grad;
  if (statistics.min.numel() != dim_) {
    throw Error({.what = "statistics of '" + what_ + "' have the wrong size",
                 .expected = std::to_string(dim_),
                 .found = std::to_string(statistics.min.numel())});
  }
  if (has(Normalization::kQuantile) && !statistics.q01.defined()) {
    throw Error({.what = "'" + what_ + "' has no percentiles, which `quantile` needs",
                 .expected = "Statistics::of() with percentiles",
                 .next = "use min_max or mean_std"});
  }
  // Shift and scale per dimension.
  at::Tensor shift = at::zeros({dim_}, statistics.min.options());
  at::Tensor scale = at::ones({dim_}, statistics.min.options());
  const std::set<Normalization> kinds(kinds_.begin(), kinds_.end());
  for (const Normalization kind : kinds) {
    std::vector<std::int64_t> dims;
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      if (kinds_[i] == kind) dims.push_back(static_cast<std::int64_t>(i));
    }
    const auto [kind_shift, kind_scale] = shift_and_scale(kind, statistics);
    const at::Tensor chosen = at::tensor(dims, at::kLong).to(shift.device());
    shift.index_copy_(0, chosen, kind_shift.index_select(0, chosen));
    scale.index_copy_(0, chosen, kind_scale.index_select(0, chosen));
  }
  // Principal axes of the scaled values.
  if (axes_.defined()) {
    if (!statistics.covariance.defined()) {
      throw Error({.what = "'" + what_ + "' has too many dimensions to be whitened",
                   .expected = "at most " + std::to_string(Statistics::kLargestCovariance),
                   .found = std::to_string(dim_),
                   .next = "use mean_std instead of whiten"});
    }
    const auto [axes, variances] = principal_axes(statistics.covariance, scale);
    axes_.copy_(axes);
    widths_.copy_((variances + kWhiteningFloor).sqrt());
  }
  shift_.copy_(shift);
  scale_.copy_(scale);
  is_fitted_.fill_(true);
}

bool Normalizer::fitted() const {
  const bool is_identity =
      std::ranges::count(kinds_, Normalization::kIdentity) == std::ssize(kinds_);
  return is_identity || is_fitted_.item<bool>();
}

void Normalizer::check(const at::Tensor& x) const {
  if (x.dim() < 1 || x.size(-1) != dim_) {
    throw Error({.what = "'" + what_ + "' has the wrong size for its normalizer",
                 .expected = "[..., " + std::to_string(dim_) + "]",
                 .found = c10::str(x.sizes())});
  }
}

at::Tensor Normalizer::normalize(const at::Tensor& x) const {
  check(x);
  const at::Tensor scaled = (x - shift_) * scale_;
  return axes_.defined() ? scaled.matmul(axes_) / widths_ : scaled;
}

at::Tensor Normalizer::unnormalize(const at::Tensor& x) const {
  check(x);
  const at::Tensor scaled = axes_.defined() ? (x * widths_).matmul(axes_.t()) : x;
  return scaled / scale_ + shift_;
}

}  // namespace roboimi
