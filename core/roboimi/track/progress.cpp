#include "roboimi/track/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace roboimi {
namespace {

constexpr std::int64_t kBarWidth = 26;  // characters

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(0.0, seconds));
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

// "13.2 /s"; slow rates are easier to read as "3.8 s each".
std::string rate_text(double per_second) {
  if (per_second >= 1.0) return fmt::format("{:.1f} /s", per_second);
  const double seconds = 1.0 / per_second;
  return seconds < 9.95 ? fmt::format("{:.1f} s each", seconds)
                        : fmt::format("{:.0f} s each", seconds);
}

// The time between two lines of a job that has run for `elapsed`.
std::chrono::steady_clock::duration line_interval(std::chrono::steady_clock::duration elapsed) {
  using namespace std::chrono_literals;
  if (elapsed < 1min) return 10s;
  return elapsed < 1h ? 1min : 10min;
}

}  // namespace

Progress::Progress(std::string label, std::int64_t total, std::int64_t first, Style style,
                   std::FILE* output, Clock clock)
    : label_(std::move(label)),
      total_(std::max<std::int64_t>(total, 1)),
      first_(first),
      bar_(style == Style::kBar || (style == Style::kAutomatic && ::isatty(::fileno(output)) != 0)),
      output_(output),
      clock_(std::move(clock)),
      started_(clock_()),
      drawn_(started_ - std::chrono::hours(1)) {}

Progress::~Progress() {
  if (on_screen_) std::fputc('\n', output_);
}

std::string Progress::line(std::int64_t done, const std::string& note, double seconds) const {
  const double per_second = seconds > 0.0 ? static_cast<double>(done - first_) / seconds : 0.0;
  std::string text = label_ + "  ";
  if (bar_) {
    const std::int64_t filled = std::clamp<std::int64_t>(done * kBarWidth / total_, 0, kBarWidth);
    text += "[" + std::string(static_cast<std::size_t>(filled), '#') +
            std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "]  ";
  }
  text += fmt::format("{}/{}  {:3d}%", done, total_, done * 100 / total_);
  if (per_second > 0.0) {
    text += "  " + rate_text(per_second);
    if (done < total_) {
      text += "  " + clock_text(static_cast<double>(total_ - done) / per_second) + " left";
    }
  }
  if (!note.empty()) text += "  " + note;
  return text;
}

void Progress::update(std::int64_t done, const std::string& note) {
  const auto now = clock_();
  const auto interval = bar_ ? std::chrono::milliseconds(100) : line_interval(now - started_);
  if (now - drawn_ < interval && done < total_) return;
  drawn_ = now;
  const std::string text = line(done, note, std::chrono::duration<double>(now - started_).count());
  if (bar_) {
    std::fprintf(output_, "\r\033[K%s", text.c_str());
    on_screen_ = true;
  } else {
    std::fprintf(output_, "%s\n", text.c_str());
  }
  std::fflush(output_);
}

void Progress::clear() {
  if (!on_screen_) return;
  std::fputs("\r\033[K", output_);
  std::fflush(output_);
  on_screen_ = false;
}

}  // namespace roboimi
