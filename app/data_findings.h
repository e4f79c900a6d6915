// The search for oddities in a dataset: values that are not finite, constant dimensions, jumps,
// short episodes, actions that never change, and episodes that cannot be read.
//
//   for (const DataFinding& finding : find_oddities(*dataset)) std::cout << finding.text << "\n";
//
// Every episode is examined, even if another one cannot be read. Images are not read.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/contract/dataset.h"

namespace roboimi::app {

// A jump is a step of more than kJumpFactor times the median of its dimension's steps other than 0,
// more than kJumpFactor times the steps in the rows around it, and more than kJumpShare of the
// dimension's range.
inline constexpr double kJumpFactor = 20.0;
inline constexpr double kJumpShare = 0.1;
// A short episode has fewer rows than this share of the median.
inline constexpr double kShortShare = 0.25;

struct DataFinding {
  std::string kind;  // "unreadable", "not_finite", "constant", "jump", "short", "still", "rate"
  std::optional<std::int64_t> episode;  // none: of the whole dataset
  std::string text;                     // one line that names the episode
};

// Findings about the whole dataset, then those about episodes, in order. `progress` receives the
// number of examined episodes.
std::vector<DataFinding> find_oddities(const Dataset& dataset,
                                       const std::function<void(std::int64_t)>& progress = {});

// The median; 0 without values.
double median_of(std::vector<double> values);

// "state[3] (left_gripper)": an element of a vector, with its name if it is known.
std::string element_label(const std::string& quantity, std::int64_t index,
                          const std::vector<std::string>& names);

}  // namespace roboimi::app
