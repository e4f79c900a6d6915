#include <algorithm>
#include <cctype>
#include <map>
#include <vector>

#include "roboimi/config/did_you_mean.h"
#include "roboimi/config/schema.h"

namespace roboimi {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return result;
}

// The number of insertions, deletions, replacements and swaps of adjacent letters (optimal string
// alignment distance).
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> distance(a.size() + 1,
                                                 std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) distance[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) distance[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = distance[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      distance[i][j] = std::min({distance[i - 1][j] + 1, distance[i][j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
    }
  }
  return distance[a.size()][b.size()];
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view name,
                                        const std::vector<std::string>& candidates) {
  // The comparison takes quadratic time, and no key is longer.
  constexpr std::size_t kLongestName = 200;
  if (name.empty() || name.size() > kLongestName) return std::nullopt;
  const std::string wanted = lower(name);
  std::optional<std::string> nearest;
  std::size_t smallest = 0;
  for (const std::string& candidate : candidates) {
    const std::size_t longer = std::max(wanted.size(), candidate.size());
    const std::size_t allowed = std::max<std::size_t>(1, longer / 3);
    const std::size_t shorter = std::min(wanted.size(), candidate.size());
    if (candidate.size() > kLongestName || longer - shorter > allowed) continue;
    const std::size_t distance = edit_distance(wanted, lower(candidate));
    if (distance > allowed || distance >= longer || (nearest && distance >= smallest)) continue;
    nearest = candidate;
    smallest = distance;
  }
  return nearest;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates,
                         const std::string& otherwise) {
  const auto nearest = nearest_name(name, candidates);
  return nearest ? "did you mean '" + *nearest + "'?" : otherwise;
}

std::string did_you_mean_part(std::string_view name, const std::vector<std::string>& candidates,
                              const std::string& otherwise) {
  constexpr std::size_t kMostNames = 4;
  std::vector<std::string> longer;
  for (const std::string& candidate : candidates) {
    const bool is_new = std::ranges::find(longer, candidate) == longer.end();
    if (is_new && name.size() > 1 && candidate.find(name) != std::string::npos) {
      longer.push_back(candidate);
    }
  }
  if (longer.empty() || longer.size() > kMostNames) {
    return did_you_mean(name, candidates, otherwise);
  }
  std::string text;
  for (const std::string& candidate : longer) {
    text += (text.empty() ? "did you mean '" : "' or '") + candidate;
  }
  return text + "'?";
}

std::string usual_name(const std::string& name) {
  static const std::map<std::string, std::string> names = {
      {"lr", "learning_rate"},     {"epochs", "max_steps"},    {"num_epochs", "max_steps"},
      {"max_epochs", "max_steps"}, {"num_steps", "max_steps"}, {"steps", "max_steps"},
      {"bs", "batch_size"},        {"batch", "batch_size"},    {"num_workers", "workers"}};
  const auto found = names.find(name);
  return found == names.end() ? name : found->second;
}

}  // namespace roboimi
