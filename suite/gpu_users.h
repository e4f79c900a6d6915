// Which processes compute on a GPU, as nvidia-smi tells. Internal to suite.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace roboimi {

class GpuUsers {
 public:
  // "process 4711 (python)", or nothing: free, or no nvidia-smi to ask. Asks every few seconds.
  std::string of(std::int64_t gpu);

 private:
  struct Answer {
    std::chrono::steady_clock::time_point when;
    std::string users;
  };
  std::map<std::int64_t, Answer> answers_;
};

}  // namespace roboimi
