#include "plugins/lerobot_dataset/episode_filter.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi::lerobot_dataset {
namespace {

constexpr std::int64_t kLargestRange = 10'000'000;  // episodes

std::optional<std::int64_t> read_number(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 0) return std::nullopt;
  return number;
}

// Adds the numbers of "12" or "0-9"; false for another text.
bool add_entry(std::string_view text, std::set<std::int64_t>& chosen) {
  const std::size_t dash = text.find('-');
  const auto first = read_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : read_number(text.substr(dash + 1));
  if (!first || !last || *last < *first || *last - *first > kLargestRange) return false;
  for (std::int64_t number = *first; number <= *last; ++number) chosen.insert(number);
  return true;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

}  // namespace

std::set<std::int64_t> chosen_episodes(const std::vector<std::string>& entries) {
  std::set<std::int64_t> chosen;
  for (const std::string& entry : entries) {
    // A quoted "0-9,12" is one entry.
    for (std::size_t begin = 0; begin <= entry.size();) {
      const std::size_t end = std::min(entry.find(',', begin), entry.size());
      if (!add_entry(trimmed(std::string_view(entry).substr(begin, end - begin)), chosen)) {
        throw Error({.what = "data.episodes does not select episodes",
                     .expected = "numbers and ranges, such as [0-9, 12]",
                     .found = "'" + printable(entry) + "'"});
      }
      begin = end + 1;
    }
  }
  return chosen;
}

}  // namespace roboimi::lerobot_dataset
