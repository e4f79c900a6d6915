#include "roboimi/rollout/trajectory_image.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "roboimi/io/image_text.h"

namespace roboimi {
namespace {

constexpr std::size_t kShortestGrasp = 3, kShortestRelease = 5;  // states
constexpr double kPathThickness = 3.0, kHalo = 1.5;              // pixels
constexpr double kFaded = 0.3;                                   // share of white in the background
constexpr std::int64_t kLegendHeight = 32;
constexpr Rgb kOutline{22, 24, 28}, kInner{255, 255, 255};
constexpr TextStyle kLegend{.height = 10.0, .color = {200, 205, 212}, .boldness = 0.12};

// Colors at the start and at the end of a path.
constexpr Rgb kPathColors[][2] = {{{168, 215, 255}, {0, 62, 175}},
                                  {{255, 224, 140}, {205, 70, 0}},
                                  {{178, 240, 190}, {0, 105, 55}},
                                  {{232, 196, 255}, {110, 20, 150}}};

Rgb mixed(Rgb from, Rgb to, double share) {
  Rgb color{};
  for (std::size_t c = 0; c < 3; ++c) {
    color[c] = static_cast<std::uint8_t>(std::lround(from[c] + share * (to[c] - from[c])));
  }
  return color;
}

void draw_path(at::Tensor& image, std::size_t arm, const std::vector<PixelPoint>& points) {
  draw_polyline(image, points, kOutline, kPathThickness + 2 * kHalo);
  for (std::size_t i = 1; i < points.size(); ++i) {
    const double time = static_cast<double>(i) / static_cast<double>(points.size() - 1);
    draw_polyline(image, {points[i - 1], points[i]}, path_color(arm, time), kPathThickness);
  }
}

void draw_disc(at::Tensor& image, PixelPoint center, double diameter, Rgb color) {
  draw_polyline(image, {center}, color, diameter);
}

// Draws a ring, so that an end marker at the same point stays visible.
void draw_start(at::Tensor& image, PixelPoint at, Rgb color) {
  draw_disc(image, at, 18, kOutline);
  draw_disc(image, at, 15, color);
  draw_disc(image, at, 9, kInner);
}

void draw_end(at::Tensor& image, PixelPoint at, Rgb color) {
  draw_disc(image, at, 12, kInner);
  draw_disc(image, at, 9, color);
}

// A diamond.
void draw_grasp(at::Tensor& image, PixelPoint at) {
  const auto corners = [&](double r) {
    return std::vector<PixelPoint>{{at[0], at[1] - r},
                                   {at[0] + r, at[1]},
                                   {at[0], at[1] + r},
                                   {at[0] - r, at[1]},
                                   {at[0], at[1] - r}};
  };
  draw_polyline(image, corners(7.5), kOutline, 3.0);
  draw_polyline(image, corners(4.0), kGraspColor, 5.0);
  draw_disc(image, at, 5.0, kGraspColor);
}

void draw_legend(at::Tensor& bar, const std::vector<ToolPath>& paths) {
  fill_rectangle(bar, {0, 0}, {bar.size(1), kLegendHeight}, kCaptionColor);
  constexpr double kMiddle = 12.0, kSwatch = 46.0;
  double x = 14.0;
  const auto write = [&](const std::string& text) {
    draw_text(bar, {x, kMiddle + 0.5 * kLegend.height}, text, kLegend);
    x += text_width(text, kLegend) + 22;
  };
  // One swatch per arm, from the color of the start to that of the end.
  for (std::size_t arm = 0; arm < paths.size(); ++arm) {
    for (double along = 0.0; along < kSwatch; along += 1.0) {
      draw_polyline(bar, {{x + along, kMiddle}, {x + along + 1.0, kMiddle}},
                    path_color(arm, along / kSwatch), 5.0);
    }
    x += kSwatch + 10;
    write(paths[arm].name);
  }
  // The markers.
  const Rgb neutral{150, 156, 166};
  draw_start(bar, {x + 7, kMiddle}, neutral);
  x += 22;
  write("start");
  draw_end(bar, {x + 7, kMiddle}, neutral);
  x += 22;
  write("end");
  draw_grasp(bar, {x + 7, kMiddle});
  x += 22;
  write("grasp");
}

bool is_visible(PixelPoint point) { return std::isfinite(point[0]) && std::isfinite(point[1]); }

}  // namespace

std::vector<std::size_t> grasp_starts(const std::vector<bool>& holding) {
  // Maximal runs of contact, joined across short gaps.
  struct Run {
    std::size_t first, end, contacts;
  };
  std::vector<Run> runs;
  for (std::size_t i = 0; i < holding.size(); ++i) {
    if (!holding[i]) continue;
    if (!runs.empty() && i - runs.back().end < kShortestRelease) {
      runs.back().end = i + 1;
      ++runs.back().contacts;
    } else {
      runs.push_back({i, i + 1, 1});
    }
  }
  std::vector<std::size_t> starts;
  for (const Run& run : runs) {
    if (run.contacts >= kShortestGrasp) starts.push_back(run.first);
  }
  return starts;
}

std::vector<std::string> short_names(std::vector<std::string> names) {
  if (names.size() < 2) return names;
  const auto ends_alike = [&](std::size_t length) {
    return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      return name.size() > length &&
             name.substr(name.size() - length) == names[0].substr(names[0].size() - length);
    });
  };
  std::size_t shared = 0;
  while (names[0].size() > shared && ends_alike(shared + 1)) ++shared;
  // The shared ending must start at an underscore.
  const std::size_t underscore = names[0].find('_', names[0].size() - shared);
  if (underscore == std::string::npos) return names;
  shared = names[0].size() - underscore;
  for (std::string& name : names) name.resize(name.size() - shared);
  return names;
}

Rgb path_color(std::size_t arm, double time) {
  const Rgb* colors = kPathColors[arm % std::size(kPathColors)];
  return mixed(colors[0], colors[1], time);
}

at::Tensor trajectory_image(const at::Tensor& background, const std::vector<ToolPath>& paths,
                            const RolloutCaption& caption) {
  // The scene, faded so that the paths stand out.
  const std::int64_t height = background.size(0), width = background.size(1);
  at::Tensor image = (background.to(at::kFloat) * (1.0 - kFaded) + 255.0 * kFaded)
                         .round()
                         .to(at::kByte)
                         .contiguous();
  // Paths first, then markers, so that no path hides one.
  for (std::size_t arm = 0; arm < paths.size(); ++arm) draw_path(image, arm, paths[arm].points);
  for (std::size_t arm = 0; arm < paths.size(); ++arm) {
    const auto& [name, points, grasps] = paths[arm];
    if (points.empty()) continue;
    if (is_visible(points.front())) draw_start(image, points.front(), path_color(arm, 0.0));
    if (is_visible(points.back())) draw_end(image, points.back(), path_color(arm, 1.0));
    for (const std::size_t grasp : grasps) {
      if (is_visible(points.at(grasp))) draw_grasp(image, points[grasp]);
    }
  }
  // Caption and legend.
  at::Tensor legend = at::empty({kLegendHeight, width, 3}, at::kByte);
  draw_legend(legend, paths);
  at::Tensor whole = at::empty({height + kCaptionHeight + kLegendHeight, width, 3}, at::kByte);
  whole.slice(0, 0, height).copy_(image);
  whole.slice(0, height, height + kCaptionHeight).copy_(caption_bar(caption, width));
  whole.slice(0, height + kCaptionHeight).copy_(legend);
  return whole;
}

}  // namespace roboimi
