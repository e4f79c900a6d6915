#include "roboimi/track/tracker.h"

namespace roboimi {

Tracker::~Tracker() = default;

void TrackerFanOut::scalars(std::int64_t step, const Scalars& values) {
  for (const auto& tracker : trackers_) tracker->scalars(step, values);
}

void TrackerFanOut::image(std::int64_t step, const std::string& tag,
                          const std::filesystem::path& png) {
  for (const auto& tracker : trackers_) tracker->image(step, tag, png);
}

void TrackerFanOut::flush() {
  for (const auto& tracker : trackers_) tracker->flush();
}

void TrackerFanOut::finish() {
  for (const auto& tracker : trackers_) tracker->finish();
}

}  // namespace roboimi
