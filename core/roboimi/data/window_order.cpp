#include "roboimi/data/window_order.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"

namespace roboimi {
namespace {

constexpr std::uint64_t kOrderStream = 0;
// A batch may span two passes while images of the next ones are prefetched.
constexpr std::size_t kPassesKept = 4;
// Weights become integers with this sum, up to rounding: integer arithmetic keeps the counts exact.
constexpr double kUnits = 1 << 24;

}  // namespace

WindowOrder::WindowOrder(const std::vector<Part>& parts, std::uint64_t seed) : seed_(seed) {
  ROBOIMI_CHECK(!parts.empty(), "no parts");
  // Dividing by the largest weight first keeps the sum finite.
  double largest = 0.0, sum = 0.0;
  for (const Part& part : parts) largest = std::max(largest, part.weight);
  for (const Part& part : parts) sum += part.weight / largest;
  for (const Part& part : parts) {
    ROBOIMI_CHECK(part.windows.numel() > 0 && part.weight > 0.0 && std::isfinite(part.weight),
                  c10::str(part.windows.numel(), " windows of weight ", part.weight));
    const double units = std::round(part.weight / largest / sum * kUnits);
    sequences_.push_back({.windows = part.windows,
                          .units = std::max<std::int64_t>(1, static_cast<std::int64_t>(units))});
    all_units_ += sequences_.back().units;
  }
}

double WindowOrder::share(std::size_t part) const {
  return static_cast<double>(sequences_.at(part).units) / static_cast<double>(all_units_);
}

// How many of the positions before `position` belong to each part. The first part gets its share of
// all, the second its share of the rest, and so on, each rounded down: one more position is always
// one more of exactly one part.
std::vector<std::int64_t> WindowOrder::counts_before(std::int64_t position) const {
  std::vector<std::int64_t> counts;
  std::int64_t positions = position, units = all_units_;
  for (const Sequence& sequence : sequences_) {
    // positions * sequence.units / units, without overflow.
    const std::int64_t own =
        positions / units * sequence.units + positions % units * sequence.units / units;
    counts.push_back(own);
    positions -= own;
    units -= sequence.units;
  }
  return counts;
}

at::Tensor WindowOrder::pass(std::size_t part, std::int64_t number) const {
  const std::lock_guard lock(mutex_);
  Sequence& sequence = sequences_[part];
  std::map<std::int64_t, at::Tensor>& passes = sequence.passes;
  if (const auto found = passes.find(number); found != passes.end()) return found->second;
  at::Generator generator =
      make_generator(mix_seed(seed_, static_cast<std::uint64_t>(number), kOrderStream, part));
  const at::Tensor order =
      at::randperm(sequence.windows.size(0), generator, at::TensorOptions(at::kLong));
  const at::Tensor drawn = sequence.windows.index_select(0, order);
  passes[number] = drawn;
  // Keep the passes nearest to this one.
  while (passes.size() > kPassesKept) {
    const bool oldest_is_far = number - passes.begin()->first >= passes.rbegin()->first - number;
    passes.erase(oldest_is_far ? passes.begin() : std::prev(passes.end()));
  }
  return drawn;
}

at::Tensor WindowOrder::windows(std::int64_t first, std::int64_t last) const {
  const std::vector<std::int64_t> from = counts_before(first), to = counts_before(last);
  std::vector<at::Tensor> pieces;
  for (std::size_t part = 0; part < from.size(); ++part) {
    const std::int64_t size = sequences_[part].windows.size(0);
    for (std::int64_t position = from[part]; position < to[part];) {
      const std::int64_t number = position / size;
      const std::int64_t begin = position - number * size;
      const std::int64_t end = std::min(size, begin + to[part] - position);
      pieces.push_back(pass(part, number).slice(0, begin, end));
      position += end - begin;
    }
  }
  return pieces.size() == 1 ? pieces[0] : at::cat(pieces);
}

}  // namespace roboimi
