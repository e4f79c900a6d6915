#include "roboimi/config/difference.h"

#include <algorithm>

#include "roboimi/config/describe.h"

namespace roboimi {
namespace {

constexpr std::size_t kMostShown = 8;

std::string shown(const ConfigNode* node) {
  if (node == nullptr) return "none";
  return node->is_scalar() ? node->text() : config::describe(*node);
}

bool is_none(const ConfigNode* node) { return node == nullptr || node->is_null(); }

void compare(const ConfigNode* before, const ConfigNode* after, const std::string& path,
             std::vector<std::string>& changes) {
  // An option without a value may be null or absent.
  if (is_none(before) && is_none(after)) return;
  const bool both_maps =
      before != nullptr && after != nullptr && before->is_map() && after->is_map();
  if (!both_maps) {
    const bool same = before != nullptr && after != nullptr && *before == *after;
    if (!same) changes.push_back(path + ": " + shown(before) + " -> " + shown(after));
    return;
  }
  const auto below = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
  for (const auto& [key, value] : before->entries()) {
    compare(&value, after->find(key), below(key), changes);
  }
  for (const auto& [key, value] : after->entries()) {
    if (before->find(key) == nullptr) compare(nullptr, &value, below(key), changes);
  }
}

}  // namespace

std::vector<std::string> config_changes(const ConfigNode& before, const ConfigNode& after) {
  std::vector<std::string> changes;
  compare(&before, &after, "", changes);
  return changes;
}

std::string summary_of_changes(const std::vector<std::string>& changes) {
  const std::size_t count = std::min(changes.size(), kMostShown);
  std::string text = config::join({changes.begin(), changes.begin() + static_cast<long>(count)});
  if (changes.size() > count) text += " and " + std::to_string(changes.size() - count) + " more";
  return text;
}

}  // namespace roboimi
