#include "plugins/lerobot_dataset/video_windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace roboimi::lerobot_dataset {
namespace {

constexpr double kRounding = 1e-6;        // seconds; timestamps are float32
constexpr double kOffsetRounding = 1e-4;  // seconds
constexpr std::int64_t kMostShifted = 2;  // common frames that a slightly wrong start explains

constexpr double kSameRate = 0.02;  // relative; containers round time stamps

constexpr char kLeaveOut[] =
    "correct the episode table, or leave the episode out: data.episodes, or data.unreadable=skip";

std::string shown(double seconds) { return fmt::format("{:.6g}", seconds); }

// The frame nearest to a time.
std::int64_t nearest(const std::vector<double>& seconds, double time) {
  const auto after = std::ranges::lower_bound(seconds, time);
  if (after == seconds.begin()) return 0;
  const std::int64_t next = after - seconds.begin();
  if (after == seconds.end()) return next - 1;
  return time - *(after - 1) <= *after - time ? next - 1 : next;
}

// LeRobot looks for windows on the file's own clock. If they count from there, makes them count
// from the first frame. Returns whether they did.
bool take_offset_off(std::vector<EpisodeWindow>& windows, double offset, double frame_time) {
  const auto first = std::ranges::min_element(windows, {}, &EpisodeWindow::from);
  const double half = 0.5 * frame_time;
  const bool counts_from_clock =
      first != windows.end() && std::abs(offset) > half && std::abs(first->from - offset) <= half;
  if (!counts_from_clock) return false;
  for (EpisodeWindow& window : windows) {
    window.from -= offset;
    if (window.to) *window.to -= offset;
  }
  return true;
}

// An episode with the frames that it claims.
struct Placed {
  EpisodeWindow window;
  std::vector<std::int64_t> frames = {};
  bool overlaps = false;  // with another one

  std::int64_t first() const { return frames.front(); }
  std::int64_t last() const { return frames.back(); }
  double begin() const { return window.from + window.timestamps.front(); }
};

class Placer {
 public:
  Placer(const std::string& camera, double fps, const VideoTimes& video)
      : camera_(camera), frame_time_(1.0 / fps), video_(video), other_rate_(other_rate()) {}

  Placement place(std::vector<EpisodeWindow> windows) const {
    Placement placement;
    const bool has_offset = std::abs(video_.offset) > kOffsetRounding;
    if (has_offset && !take_offset_off(windows, video_.offset, frame_time_)) {
      placement.offset_taken_off = video_.offset;
    }
    std::vector<Placed> placed;
    for (EpisodeWindow& window : windows) {
      if (window.timestamps.empty() || video_.seconds.empty()) continue;
      Placed added = frames_of(std::move(window), placement.faults);
      if (!added.frames.empty()) placed.push_back(std::move(added));
    }
    std::ranges::stable_sort(placed, {}, &Placed::first);
    for (std::size_t i = 1, widest = 0; i < placed.size(); ++i) {
      check_overlap(placed[widest], placed[i], placement.faults);
      if (placed[i].last() > placed[widest].last()) widest = i;
    }
    for (std::size_t i = 0; i < placed.size(); ++i) {
      if (!placed[i].window.is_selected || placed[i].overlaps) continue;
      const Placed* const next = i + 1 < placed.size() ? &placed[i + 1] : nullptr;
      if (std::string odd = odd_window(placed[i], next); !odd.empty()) {
        placement.odd_windows.push_back(std::move(odd));
      }
      placement.episodes[placed[i].window.episode] = compact(placed[i].frames);
    }
    return placement;
  }

 private:
  double seconds(std::int64_t frame) const {
    return video_.seconds[static_cast<std::size_t>(frame)];
  }

  // The file's rate by its median step, if that is not the data's.
  std::string other_rate() const {
    std::vector<double> steps;
    for (std::size_t i = 1; i < video_.seconds.size(); ++i) {
      steps.push_back(video_.seconds[i] - video_.seconds[i - 1]);
    }
    if (steps.empty()) return "";
    const auto middle = steps.begin() + std::ssize(steps) / 2;
    std::ranges::nth_element(steps, middle);
    if (*middle <= 0.0 || std::abs(*middle - frame_time_) < kSameRate * frame_time_) return "";
    return fmt::format(" and has {:.4g} frames per second instead of {:.4g}", 1.0 / *middle,
                       1.0 / frame_time_);
  }

  std::string window_text(const EpisodeWindow& window) const {
    return fmt::format("{} s to {} s", shown(window.from),
                       shown(window.from + window.timestamps.back() + frame_time_));
  }

  bool is_near(std::int64_t frame, double time) const {
    return std::abs(seconds(frame) - time) <= 0.5 * frame_time_ + kRounding;
  }

  // An episode with a fault only claims frames, as one that is not selected.
  Placed frames_of(EpisodeWindow window, std::vector<PlacementFault>& faults) const {
    Placed placed{.window = std::move(window)};
    const std::vector<double>& timestamps = placed.window.timestamps;
    for (std::size_t row = 0; row < timestamps.size(); ++row) {
      const double time = placed.window.from + timestamps[row];
      const std::int64_t frame = nearest(video_.seconds, time);
      const bool has_frame = is_near(frame, time);
      const bool is_taken = has_frame && !placed.frames.empty() && frame <= placed.frames.back();
      if (placed.window.is_selected && (!has_frame || is_taken)) {
        faults.push_back({.episode = placed.window.episode,
                          .reason = has_frame ? same_frame(placed.window, row, frame)
                                              : no_frame(placed.window, row, time, frame)});
        placed.window.is_selected = false;
      }
      if (has_frame) placed.frames.push_back(frame);
    }
    return placed;
  }

  Error::Parts no_frame(const EpisodeWindow& window, std::size_t row, double time,
                        std::int64_t frame) const {
    return {.what = fmt::format("row {} of episode {} has no frame of camera '{}'", row,
                                window.episode, camera_),
            .where = video_.file.string(),
            .expected = fmt::format("a frame at {} s, within half a frame ({} s)", shown(time),
                                    shown(0.5 * frame_time_)),
            .found = fmt::format("the nearest is {} s away; the episode's window is {}, the file "
                                 "lasts {} s{}",
                                 shown(std::abs(seconds(frame) - time)), window_text(window),
                                 shown(video_.duration), other_rate_),
            .next = other_rate_.empty()
                        ? kLeaveOut
                        : "store the video at the rate of the data, or leave the episode out: "
                          "data.episodes, or data.unreadable=skip"};
  }

  Error::Parts same_frame(const EpisodeWindow& window, std::size_t row, std::int64_t frame) const {
    return {.what = fmt::format("rows {} and {} of episode {} need the same frame of camera '{}'",
                                row - 1, row, window.episode, camera_),
            .where = video_.file.string(),
            .expected = fmt::format("a frame every {} s", shown(frame_time_)),
            .found = fmt::format("frame {} is the nearest to both; the file lasts {} s{}", frame,
                                 shown(video_.duration), other_rate_),
            .next =
                "correct 'fps' in meta/info.json, or leave the episode out: data.episodes, or "
                "data.unreadable=skip"};
  }

  // The distance in seconds from the start of an episode to its first frame, moved by `shift`
  // frames.
  double distance_of(const Placed& placed, std::int64_t shift) const {
    const std::int64_t last = std::ssize(video_.seconds) - 1;
    const std::int64_t frame = std::clamp<std::int64_t>(placed.first() + shift, 0, last);
    return std::abs(seconds(frame) - placed.begin());
  }

  // The frames do not show which of two episodes that overlap is right.
  void check_overlap(Placed& before, Placed& after, std::vector<PlacementFault>& faults) const {
    if (before.last() < after.first()) return;
    for (Placed* const placed : {&before, &after}) {
      if (!placed->window.is_selected || placed->overlaps) continue;
      faults.push_back({.episode = placed->window.episode, .reason = overlap(before, after)});
      placed->overlaps = true;
    }
  }

  Error::Parts overlap(const Placed& before, const Placed& after) const {
    const std::int64_t common = std::min(before.last(), after.last()) - after.first() + 1;
    std::string found = fmt::format("episode {}: {}, episode {}: {}, {} frames in common",
                                    before.window.episode, window_text(before.window),
                                    after.window.episode, window_text(after.window), common);
    if (common <= kMostShifted) {
      // The episode whose start is farther from its first frame has the wrong start.
      const bool is_before = distance_of(before, 0) > distance_of(after, 0);
      const Placed& wrong = is_before ? before : after;
      found += fmt::format("; the start of episode {} is {} s off", wrong.window.episode,
                           shown(distance_of(wrong, is_before ? -common : common)));
    }
    return {.what = fmt::format("episodes {} and {} use the same frames of camera '{}'",
                                before.window.episode, after.window.episode, camera_),
            .where = video_.file.string(),
            .expected = fmt::format("windows that do not overlap, off by at most half a frame "
                                    "({} s)",
                                    shown(0.5 * frame_time_)),
            .found = found,
            .next =
                "correct the episode table, or leave both episodes out: data.episodes, or "
                "data.unreadable=skip"};
  }

  // Describes a window whose number of frames differs from the episode's number of rows. The times
  // in tables are rounded, so that one frame less is normal.
  std::string odd_window(const Placed& placed, const Placed* next) const {
    std::int64_t end = std::ssize(video_.seconds);
    if (placed.window.to) {
      const double last = *placed.window.to - 0.5 * frame_time_;
      end = std::ranges::upper_bound(video_.seconds, last) - video_.seconds.begin();
    }
    if (next != nullptr) end = std::min(end, next->first());

    // Frames of a faster video that lie between two rows do not count.
    const double behind = seconds(placed.last()) + 0.75 * frame_time_;
    const std::int64_t rest =
        std::ranges::lower_bound(video_.seconds, behind) - video_.seconds.begin();
    const std::int64_t extra = std::max<std::int64_t>(end - rest, 0);
    const auto missing =
        std::ranges::count_if(placed.frames, [&](std::int64_t frame) { return frame >= end; });
    if (extra == 0 && missing <= 1) return "";
    const std::int64_t rows = std::ssize(placed.frames);
    return fmt::format("episode {} has {} frames for {} rows ({})", placed.window.episode,
                       rows + extra - missing, rows,
                       extra > 0 ? "the others are not used" : "frames after its window are used");
  }

  static RowFrames compact(std::vector<std::int64_t> frames) {
    const bool is_run = frames.back() - frames.front() + 1 == std::ssize(frames);
    RowFrames rows{.first = frames.front()};
    if (!is_run) rows.frames = std::move(frames);
    return rows;
  }

  const std::string& camera_;
  double frame_time_;  // seconds
  const VideoTimes& video_;
  std::string other_rate_;
};

}  // namespace

std::int64_t RowFrames::frame(std::int64_t row) const {
  return frames.empty() ? first + row : frames[static_cast<std::size_t>(row)];
}

Placement place_episodes(const std::string& camera, double fps, const VideoTimes& video,
                         std::vector<EpisodeWindow> windows) {
  return Placer(camera, fps, video).place(std::move(windows));
}

}  // namespace roboimi::lerobot_dataset
