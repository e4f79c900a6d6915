// Several processes by mpirun, on this machine alone.
#pragma once

#include <string>
#include <vector>

namespace roboimi {

// The arguments of mpirun that start `program` in so many processes: also as root, on more
// processes than cores, over memory and the loopback address alone.
inline std::vector<std::string> mpirun_arguments(int processes, const std::string& program,
                                                 const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"--allow-run-as-root",
                                  "--oversubscribe",
                                  "--bind-to",
                                  "none",
                                  "--mca",
                                  "btl",
                                  "self,vader",
                                  "--mca",
                                  "oob_tcp_if_include",
                                  "lo",
                                  "-np",
                                  std::to_string(processes),
                                  program};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

}  // namespace roboimi
