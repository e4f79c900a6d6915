#include "plugins/hdf5_dataset/reading_notes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "roboimi/common/log.h"

namespace roboimi::hdf5_dataset {
namespace {

constexpr int kDeepestGroup = 4;
constexpr std::size_t kKept = 8;  // datasets that the log line names

// Calls `visit` with every dataset below `group` until it returns false.
template <typename Visit>
bool for_each_dataset(const Hdf5File& file, const std::string& group, int depth,
                      const Visit& visit) {
  for (const std::string& child : file.children(group.empty() ? "/" : group)) {
    const std::string name = group + "/" + child;
    if (!file.is_group(name)) {
      if (!visit(name)) return false;
    } else if (depth < kDeepestGroup && !for_each_dataset(file, name, depth + 1, visit)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void ReadingNotes::add_unread(const Hdf5File& file, const std::vector<std::string>& read) {
  for_each_dataset(file, "", 0, [&](const std::string& name) {
    if (std::find(read.begin(), read.end(), name) != read.end() || unread_.contains(name)) {
      return true;
    }
    if (unread_.size() == kKept) {
      has_more_ = true;
      return false;
    }
    unread_[name] = file.is_dataset(name) ? file.describe(name) : "(cannot be opened)";
    return true;
  });
}

void ReadingNotes::add_attribute(const Hdf5File& file, const std::string& name,
                                 const std::string& found) {
  attributes_.try_emplace(name, fmt::format("{} in {}", found, file.path().filename().string()));
}

void ReadingNotes::log() const {
  for (const auto& [name, found] : attributes_) {
    logger().warn("hdf5_dataset: ignoring the attribute '{}' with the value {}", name, found);
  }
  if (unread_.empty()) return;
  std::vector<std::string> listed;
  for (const auto& [name, what] : unread_) listed.push_back(name + " " + what);
  if (has_more_) listed.emplace_back("...");
  logger().info("hdf5_dataset: datasets in the episodes that are not used: {}",
                fmt::join(listed, ", "));
}

}  // namespace roboimi::hdf5_dataset
