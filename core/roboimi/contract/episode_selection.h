// A selection of episodes by their original numbers, as in the option `data.episodes` of the
// dataset plugins. Removing or filtering episodes does not change the numbers of the others.
//
//   const EpisodeSelection selection({"0-9", "12"});        // data.episodes: [0-9, 12]
//   for (std::size_t i : selection.positions_in({0, 1, 3, 12}, "the data")) ...   // 0, 1, 2, 3
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT EpisodeSelection {
 public:
  // Selects every episode.
  EpisodeSelection() = default;
  // Numbers and inclusive ranges: {"0-9", "12"} or {"0-9,12"}. An empty list selects every episode.
  // Throws Error for anything else, such as "9-0" and "-3".
  explicit EpisodeSelection(const std::vector<std::string>& items);

  bool selects_all() const { return ranges_.empty(); }
  bool contains(std::int64_t number) const;

  // The positions of the selected episodes in `numbers`, in the order of `numbers`. A range selects
  // the episodes that exist. Throws Error for a number that does not exist, and for a range without
  // any episode; it names `where` and lists the numbers that exist.
  std::vector<std::size_t> positions_in(const std::vector<std::int64_t>& numbers,
                                        const std::string& where) const;

 private:
  struct Range {
    std::int64_t first = 0, last = 0;
    std::string text;  // as written
  };

  void add(const std::string& text);

  std::vector<Range> ranges_;
};

// "0-3, 9, 12-14": the numbers in ascending order, at most eight ranges and then "...".
ROBOIMI_EXPORT std::string listed_numbers(std::vector<std::int64_t> numbers);

}  // namespace roboimi
