#include "roboimi/train/representation.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/mode_guard.h"
#include "roboimi/io/image.h"

namespace roboimi {
namespace {

constexpr std::int64_t kFramesAtATime = 64;
constexpr double kCollapsedRank = 2.0;
constexpr double kCollapsedStd = 1e-3;
constexpr std::int64_t kImageSide = 480;  // pixels
constexpr double kMargin = 24.0;          // pixels
constexpr double kThickness = 2.5;        // pixels

// The rows' coordinates along their first two principal components, double [N, 2].
at::Tensor main_plane(const at::Tensor& values) {
  const at::Tensor centered = values.to(at::kDouble) - values.to(at::kDouble).mean(0);
  const at::Tensor directions = std::get<2>(at::linalg_svd(centered, /*full_matrices=*/false));
  const at::Tensor plane = centered.mm(directions.slice(0, 0, 2).t());
  return plane.size(1) == 2 ? plane : at::cat({plane, at::zeros_like(plane)}, 1).slice(1, 0, 2);
}

// The rows of the episodes in embeddings.values. The features themselves may not fit in memory.
at::Tensor rows_of(const Embeddings& embeddings, const std::vector<std::int64_t>& episodes) {
  std::vector<at::Tensor> rows = {at::empty({0}, at::kLong)};
  for (const std::int64_t episode : episodes) {
    const auto i = static_cast<std::size_t>(episode);
    rows.push_back(at::arange(embeddings.first[i], embeddings.first[i + 1], at::kLong));
  }
  return at::cat(rows);
}

// Features [n, V] of some of the frames, on the device.
using Block = std::function<at::Tensor(std::int64_t start, std::int64_t end)>;

at::Tensor represent(Agent& agent, std::int64_t num_frames, const Block& features) {
  const torch::NoGradGuard no_grad;
  const ModeGuard evaluation(agent, /*training=*/false);
  std::vector<at::Tensor> parts;
  for (std::int64_t start = 0; start < num_frames; start += kFramesAtATime) {
    const at::Tensor block = features(start, std::min(num_frames, start + kFramesAtATime));
    const at::Tensor values = agent.represent(block);
    if (!values.defined() || values.dim() != 2 || values.size(0) != block.size(0)) {
      throw Error({.what = "the agent's representation has the wrong shape",
                   .where = agent.name() + "::represent",
                   .expected = c10::str("[", block.size(0), ", D]"),
                   .found = values.defined() ? c10::str(values.sizes()) : "an undefined tensor"});
    }
    parts.push_back(values.to(at::kCPU, at::kFloat));
  }
  ROBOIMI_CHECK(!parts.empty(), "no frames to represent");
  return at::cat(parts);
}

}  // namespace

at::Tensor representation_of(Agent& agent, const Embeddings& embeddings,
                             const std::vector<std::int64_t>& episodes, c10::Device device) {
  const at::Tensor rows = rows_of(embeddings, episodes);
  return represent(agent, rows.size(0), [&](std::int64_t start, std::int64_t end) {
    return embeddings.values.index_select(0, rows.slice(0, start, end)).select(1, 0).to(device);
  });
}

at::Tensor representation_of(Agent& agent, const FrameStore& frames, const Dataset& dataset,
                             const std::vector<std::int64_t>& episodes, c10::Device device) {
  std::vector<FrameIndex> rows;
  for (const std::int64_t episode : episodes) {
    for (std::int64_t row = 0; row < dataset.episode(episode).length; ++row) {
      rows.push_back({.episode = episode, .row = row});
    }
  }
  at::Generator unused = make_generator(0, device);
  return represent(agent, std::ssize(rows), [&](std::int64_t start, std::int64_t end) {
    Observation images = frames.gather({rows.begin() + start, rows.begin() + end});
    for (auto& [camera, values] : images) values = values.unsqueeze(1).to(device);
    return agent.backbone()->encode(images, unused).flatten(0, 1);
  });
}

std::map<std::string, double> representation_metrics(const at::Tensor& values) {
  // Variances along the principal components, and of each element.
  const torch::NoGradGuard no_grad;
  const at::Tensor rows = values.to(at::kDouble);
  const at::Tensor centered = rows - rows.mean(0);
  const at::Tensor variances =
      at::linalg_svdvals(centered).square() / static_cast<double>(rows.size(0));
  const at::Tensor std = centered.square().mean(0).sqrt();
  // Effective rank: exp of the entropy of the normalized variances.
  const double total = variances.sum().item<double>();
  double rank = 1.0;
  if (total > 0.0) {
    const at::Tensor parts = variances / total;
    rank = std::exp(-at::xlogy(parts, parts).sum().item<double>());
  }
  return {{"effective_rank", rank},
          {"std_mean", std.mean().item<double>()},
          {"std_min", std.min().item<double>()}};
}

std::string collapse_of(const std::map<std::string, double>& metrics) {
  const double rank = metrics.at("effective_rank"), std = metrics.at("std_mean");
  if (std < kCollapsedStd) {
    return fmt::format("all frames map to nearly the same point (mean standard deviation {:.2g})",
                       std);
  }
  if (rank < kCollapsedRank) {
    return fmt::format("all frames vary along one direction (effective rank {:.2f})", rank);
  }
  return {};
}

void write_pca_image(const std::filesystem::path& png, const at::Tensor& values) {
  // Scale the path to the image, keeping its aspect ratio.
  const torch::NoGradGuard no_grad;
  const at::Tensor plane = main_plane(values);
  const at::Tensor low = std::get<0>(plane.min(0)), high = std::get<0>(plane.max(0));
  const double extent = std::max((high - low).max().item<double>(), 1e-12);
  const at::Tensor pixels =
      ((plane - (low + high) / 2) / extent * (kImageSide - 2 * kMargin) + kImageSide / 2.0)
          .contiguous();
  // Draw it on white, colored by time.
  at::Tensor image = at::full({kImageSide, kImageSide, 3}, 255, at::kByte);
  const double* at = pixels.const_data_ptr<double>();
  const std::int64_t last = pixels.size(0) - 1;
  for (std::int64_t i = 0; i < last; ++i) {
    const auto red = static_cast<std::uint8_t>(255 * (i + 1) / last);
    draw_polyline(image, {{at[2 * i], at[2 * i + 1]}, {at[2 * i + 2], at[2 * i + 3]}},
                  {red, 40, static_cast<std::uint8_t>(255 - red)}, kThickness);
  }
  write_png(png, image);
}

}  // namespace roboimi
