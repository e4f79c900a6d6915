// The processes that compute on a GPU, according to nvidia-smi. Internal to suite.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace roboimi {

class GpuUsers {
 public:
  // "process 4711 (python)"; empty if the GPU is free or nvidia-smi is missing. Results are cached
  // for a few seconds.
  std::string of(std::int64_t gpu);

 private:
  struct Answer {
    std::chrono::steady_clock::time_point when;
    std::string users;
  };
  std::map<std::int64_t, Answer> answers_;
};

}  // namespace roboimi
