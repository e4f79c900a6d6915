// The main() of benchmarks whose arguments are positive integers with defaults:
//
//   int main(int argc, char** argv) {
//     return roboimi::bench_main(argc, argv, {{"rounds", 5}, {"batches", 8}},
//                                [](const auto& n) { return roboimi::run(n[0], n[1]); });
//   }
#pragma once

#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/error.h"

namespace roboimi {

// Returns the exit status: that of `run`, 1 if it throws, and 2 for an argument below 1.
inline int bench_main(int argc, char** argv,
                      const std::vector<std::pair<std::string, int>>& arguments,
                      const std::function<int(const std::vector<int>&)>& run) {
  std::vector<int> numbers;
  bool is_valid = true;
  for (const auto& [name, preset] : arguments) {
    const int place = static_cast<int>(numbers.size()) + 1;
    numbers.push_back(argc > place ? std::atoi(argv[place]) : preset);
    is_valid = is_valid && numbers.back() >= 1;
  }
  if (!is_valid) {
    std::cerr << argv[0] << ": expected " << (arguments.size() == 1 ? "an integer" : "integers")
              << " of at least 1:";
    for (const auto& [name, preset] : arguments) std::cerr << " [" << name << "]";
    std::cerr << "\n";
    return 2;
  }
  try {
    return run(numbers);
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << one_line_message(error) << "\n";
    return 1;
  }
}

}  // namespace roboimi
