#include "roboimi/contract/episode_selection.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"

namespace roboimi {
namespace {

constexpr std::size_t kListedRanges = 8;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// A number of digits only.
std::optional<std::int64_t> episode_number(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (text.empty() || text.front() == '-' || parsed.ec != std::errc() || parsed.ptr != end) {
    return std::nullopt;
  }
  return number;
}

std::uint64_t count_in(std::int64_t first, std::int64_t last,
                       const std::vector<std::int64_t>& numbers) {
  return static_cast<std::uint64_t>(std::ranges::count_if(
      numbers, [&](std::int64_t number) { return number >= first && number <= last; }));
}

[[noreturn]] void refuse(const std::string& text) {
  throw Error({.what = "invalid selection of episodes",
               .where = "episodes",
               .expected = "numbers and ascending ranges, such as [0-9, 12]",
               .found = "'" + text + "'"});
}

}  // namespace

EpisodeSelection::EpisodeSelection(const std::vector<std::string>& items) {
  for (const std::string& item : items) {
    std::istringstream parts(item);
    std::string part;
    while (std::getline(parts, part, ',')) add(part);
    if (item.empty() || item.back() == ',') refuse(item);
  }
}

void EpisodeSelection::add(const std::string& text) {
  const std::string_view word = trimmed(text);
  const std::size_t dash = word.find('-');
  const auto first = episode_number(trimmed(word.substr(0, dash)));
  const auto last =
      dash == std::string_view::npos ? first : episode_number(trimmed(word.substr(dash + 1)));
  if (!first || !last || *last < *first) refuse(text);
  ranges_.push_back({.first = *first, .last = *last, .text = std::string(word)});
}

bool EpisodeSelection::contains(std::int64_t number) const {
  return ranges_.empty() || std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
           return number >= range.first && number <= range.last;
         });
}

std::vector<std::size_t> EpisodeSelection::positions_in(const std::vector<std::int64_t>& numbers,
                                                        const std::string& where) const {
  for (const Range& range : ranges_) {
    if (count_in(range.first, range.last, numbers) > 0) continue;
    throw Error({.what = "there is no episode " + range.text,
                 .where = where,
                 .expected = numbers.empty() ? "an episode" : "one of " + listed_numbers(numbers),
                 .next = "select episodes that exist"});
  }
  // A range may be longer than the dataset, or have gaps.
  for (const Range& range : ranges_) {
    const std::uint64_t count = count_in(range.first, range.last, numbers);
    const auto selected = static_cast<std::uint64_t>(range.last - range.first) + 1;
    if (count >= selected) continue;
    logger().info("{}: of the episodes {}, {} of {} exist", where, range.text, count, selected);
  }
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (contains(numbers[i])) positions.push_back(i);
  }
  return positions;
}

std::string listed_numbers(std::vector<std::int64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::string text;
  std::size_t num_ranges = 0;
  for (std::size_t first = 0, last = 0; first < numbers.size(); first = last + 1) {
    last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    if (++num_ranges > kListedRanges) return text + "...";
    text += std::to_string(numbers[first]);
    if (last > first) text += "-" + std::to_string(numbers[last]);
  }
  return text;
}

}  // namespace roboimi
