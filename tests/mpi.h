// Starts several processes with mpirun on this machine (roboimi_uses_mpirun in
// tests/CMakeLists.txt).
#pragma once

#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace roboimi {

// The mpirun arguments that start `program` with this number of processes.
inline std::vector<std::string> mpirun_arguments(int processes, const std::string& program,
                                                 const std::vector<std::string>& arguments) {
  std::istringstream options(MPIRUN_OPTIONS);
  std::vector<std::string> all(std::istream_iterator<std::string>(options), {});
  for (const std::string& word : {std::string("-np"), std::to_string(processes), program}) {
    all.push_back(word);
  }
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

}  // namespace roboimi
