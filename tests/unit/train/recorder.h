// A tracker that stores all scalars.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "roboimi/track/tracker.h"

namespace roboimi::testing {

class Recorder final : public Tracker {
 public:
  void scalars(std::int64_t step, const Scalars& values) override {
    lines[step].merge(Scalars(values));
  }
  void image(std::int64_t, const std::string&, const std::filesystem::path&) override {}
  void flush() override {}
  std::map<std::int64_t, Scalars> lines;
};

}  // namespace roboimi::testing
