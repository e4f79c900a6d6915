#include "roboimi/io/foreign_weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "roboimi/common/error.h"
#include "roboimi/io/weight_differences.h"

namespace roboimi {
namespace {

// Dtypes may differ: another program may store a different precision, and averaged weights store
// BatchNorm's integer counter as floats.
bool fits_after_cast(const at::Tensor& source, const at::Tensor& target) {
  return source.sizes() == target.sizes() && source.is_complex() == target.is_complex();
}

void check_finite(const WeightSelection& weights) {
  std::vector<std::string> bad;
  for (const auto& [name, tensor] : weights.tensors) {
    const std::int64_t count = count_not_finite(tensor);
    if (count == 0) continue;
    bad.push_back(fmt::format("{}: {} of {}", weights.names.at(name), count, tensor.numel()));
  }
  if (bad.empty()) return;
  throw Error({.what = "weights are NaN or infinite",
               .where = weights.source,
               .expected = "finite numbers",
               .found = list_some("not finite", bad),
               .next = "the training diverged; use an earlier checkpoint of it"});
}

}  // namespace

void load_foreign_weights(std::map<std::string, at::Tensor> targets, const WeightSelection& weights,
                          const ForeignWeights& how) {
  // Collect all differences before anything is copied.
  WeightDifferences found;
  for (const auto& [name, target] : targets) {
    const auto source = weights.tensors.find(name);
    const auto unread = weights.unread.find(name);
    if (source != weights.tensors.end()) {
      if (fits_after_cast(source->second, target)) continue;
      found.mismatched.push_back(mismatch_text(weights.names.at(name), source->second, target));
    } else if (unread != weights.unread.end()) {
      found.missing.push_back(fmt::format("{}: the file's tensor is {}", name, unread->second));
    } else if (!how.may_be_missing || !how.may_be_missing(name)) {
      found.missing.push_back(name);
    }
  }
  for (const auto& [name, tensor] : weights.tensors) {
    if (!targets.contains(name)) found.unexpected.push_back(weights.names.at(name));
  }
  found.check({.what = "the weights do not fit " + how.model,
               .where = weights.source,
               .expected = fmt::format("exactly its {} tensors", targets.size()),
               .next = how.next});
  check_finite(weights);
  // Copy.
  const at::NoGradGuard no_grad;
  for (auto& [name, target] : targets) {
    const auto source = weights.tensors.find(name);
    if (source != weights.tensors.end()) target.copy_(source->second);
  }
}

}  // namespace roboimi
