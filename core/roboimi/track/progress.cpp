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

}  // namespace

Progress::Progress(std::string label, std::int64_t total, std::int64_t first, Style style,
                   std::FILE* output)
    : label_(std::move(label)),
      total_(std::max<std::int64_t>(total, 1)),
      first_(first),
      bar_(style == Style::kBar || (style == Style::kAutomatic && ::isatty(::fileno(output)) != 0)),
      output_(output),
      started_(std::chrono::steady_clock::now()),
      drawn_(started_ - std::chrono::hours(1)) {}

Progress::~Progress() {
  if (on_screen_) std::fputc('\n', output_);
}

std::string Progress::line(std::int64_t done, const std::string& note, double seconds) const {
  const double speed = seconds > 0.0 ? static_cast<double>(done - first_) / seconds : 0.0;
  std::string text = label_ + "  ";
  if (bar_) {
    const std::int64_t filled = std::clamp<std::int64_t>(done * kBarWidth / total_, 0, kBarWidth);
    text += "[" + std::string(static_cast<std::size_t>(filled), '#') +
            std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "]  ";
  }
  text += fmt::format("{}/{}  {:3d}%  {:.1f} /s", done, total_, done * 100 / total_, speed);
  if (speed > 0.0 && done < total_) {
    text += "  " + clock_text(static_cast<double>(total_ - done) / speed) + " left";
  }
  if (!note.empty()) text += "  " + note;
  return text;
}

void Progress::update(std::int64_t done, const std::string& note) {
  const auto now = std::chrono::steady_clock::now();
  const auto pause = bar_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  if (now - drawn_ < pause && done < total_) return;
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
