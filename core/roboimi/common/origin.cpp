#include "roboimi/common/origin.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <array>
#include <ctime>

namespace roboimi {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

std::string time_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace roboimi
