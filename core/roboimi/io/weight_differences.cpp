#include "roboimi/io/weight_differences.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace roboimi {

std::string dtype_and_shape(const at::Tensor& tensor) {
  return fmt::format("{} [{}]", c10::toString(tensor.scalar_type()),
                     fmt::join(tensor.sizes().begin(), tensor.sizes().end(), ", "));
}

std::string list_some(const std::string& kind, const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  if (names.empty()) return "";
  const std::vector<std::string> shown(names.begin(),
                                       names.begin() + std::min(kShown, names.size()));
  return fmt::format("{} {} ({}{})", names.size(), kind, fmt::join(shown, ", "),
                     names.size() > kShown ? ", ..." : "");
}

std::string mismatch_text(const std::string& name, const at::Tensor& source,
                          const at::Tensor& target) {
  return fmt::format("{}: {}, but {} in the model", name, dtype_and_shape(source),
                     dtype_and_shape(target));
}

void WeightDifferences::check(Error::Parts parts) const {
  std::vector<std::string> problems;
  for (const std::string& text :
       {list_some("missing", missing), list_some("unexpected", unexpected),
        list_some("with the wrong shape or dtype", mismatched)}) {
    if (!text.empty()) problems.push_back(text);
  }
  if (problems.empty()) return;
  parts.found = fmt::format("{}", fmt::join(problems, "; "));
  throw Error(std::move(parts));
}

}  // namespace roboimi
