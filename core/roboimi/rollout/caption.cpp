#include "roboimi/rollout/caption.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "roboimi/io/image_text.h"

namespace roboimi {
namespace {

constexpr double kMargin = 14.0;  // pixels
constexpr double kLineHeights[] = {26.0, 50.0};
constexpr TextStyle kUpperLine{.height = 12.0, .color = {240, 241, 243}, .boldness = 0.13};
constexpr TextStyle kLowerLine{.height = 11.0, .color = {176, 182, 191}, .boldness = 0.11};
constexpr TextStyle kOutcome{.height = 13.0, .color = {255, 255, 255}, .boldness = 0.17};

// Draws the text, smaller if it is wider than `room` pixels.
void draw_fitting(at::Tensor& image, PixelPoint origin, const std::string& text, TextStyle style,
                  double room) {
  const double width = text_width(text, style);
  if (width > room) style.height *= std::max(0.0, room) / width;
  draw_text(image, origin, text, style);
}

// Draws the outcome at the right end. Returns the left edge of its box.
double draw_outcome(at::Tensor& bar, bool success) {
  const std::string text = success ? "SUCCESS" : "FAILED";
  const auto width = static_cast<std::int64_t>(text_width(text, kOutcome) + 2 * kMargin);
  const std::int64_t left = bar.size(1) - width - static_cast<std::int64_t>(kMargin);
  fill_rectangle(bar, {left, 14}, {width, kCaptionHeight - 28},
                 success ? kSuccessColor : kFailureColor);
  const double baseline = 0.5 * (static_cast<double>(kCaptionHeight) + kOutcome.height) - 0.5;
  draw_text(bar, {static_cast<double>(left) + kMargin, baseline}, text, kOutcome);
  return static_cast<double>(left);
}

}  // namespace

at::Tensor caption_bar(const RolloutCaption& caption, std::int64_t width) {
  at::Tensor bar = at::empty({kCaptionHeight, width, 3}, at::kByte);
  fill_rectangle(bar, {0, 0}, {width, kCaptionHeight}, kCaptionColor);
  // The outcome, as soon as it is known.
  double right = static_cast<double>(width);
  if (caption.success || caption.is_over) right = draw_outcome(bar, caption.success);
  // Seed, step and reward.
  std::string upper =
      fmt::format("seed {}   step {}/{}   ", caption.seed, caption.step, caption.max_steps);
  upper += caption.is_over ? fmt::format("highest reward {:.3g}", caption.highest_reward)
                           : fmt::format("reward {:.3g}", caption.reward);
  upper += fmt::format(" of {:.3g}", caption.max_reward);
  const double room = right - 2 * kMargin;
  draw_fitting(bar, {kMargin, kLineHeights[0]}, upper, kUpperLine, room);
  // The progress in words.
  if (!caption.stage.empty()) {
    draw_fitting(bar, {kMargin, kLineHeights[1]}, "reached: " + caption.stage, kLowerLine, room);
  }
  return bar;
}

}  // namespace roboimi
