// A sampler of training batches: shuffled windows of observations and action chunks, on the
// training device.
//
//   WindowSampler sampler(dataset, {.horizons = agent.horizons(), .batch_size = 64, .seed = 1,
//                                   .device = device});
//   sampler.set_features(cached);            // a frozen backbone, or
//   sampler.set_frames(frame_store);         // a backbone that is trained
//   Batch batch = sampler.batch(step);
//
// There is one window for every row t of every episode, its current row (unless the horizons
// require whole windows, see below). With To observations and H actions:
//   diffusion  observations t-To+1 .. t, actions t-To+1 .. t-To+H   (the window w = t-To+1)
//   act        observations t-To+1 .. t, actions t .. t+H-1
// Observations are Horizons::obs_stride rows apart; the lines above show a stride of 1. Indices
// outside the episode are replaced by its first or last row, and is_pad is true for such actions.
// With Horizons::whole_windows, only windows without such indices are used.
//
// The batch of a step is a function of (seed, step): positions step*B .. step*B+B-1 of an infinite
// sequence (data/window_order.h). So every batch is full, and resuming needs no state. An epoch is
// as many draws as there are windows. Without parts, every window occurs once per epoch; with
// weighted parts, a window of a part with a large share occurs more often than one of a part with a
// small share.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/observation.h"
#include "roboimi/data/device_transfer.h"
#include "roboimi/data/embedding_cache.h"
#include "roboimi/data/frame_store.h"
#include "roboimi/data/prefetcher.h"
#include "roboimi/data/window_order.h"

namespace roboimi {

class DeviceFrames;

struct WindowSamplerOptions {
  Horizons horizons;
  std::int64_t batch_size = 64;
  std::uint64_t seed = 0;
  c10::Device device = c10::kCPU;
  std::vector<std::int64_t> episodes = {};  // indices of the episodes to train on; empty: all
  std::vector<DatasetPart> parts = {};      // of checked_parts(); empty: no weights
  std::int64_t prefetch = 2;                // batches of images gathered in advance
  // With several training processes, each gets its own part of a batch of batch_size * world_size.
  std::int64_t rank = 0;
  std::int64_t world_size = 1;
};

// The part of the batches that comes from a part of the dataset.
struct WindowShare {
  std::string name;              // of the part
  double share = 0.0;            // from 0 to 1
  std::int64_t num_windows = 0;  // to draw from
};

// The first rows of a window in its episode, before clamping to [0, length).
struct WindowRows {
  std::int64_t first_observation = 0;
  std::int64_t first_action = 0;
};
// The window whose present row is `row`, by the alignment rule above.
ROBOIMI_EXPORT WindowRows window_rows(const Horizons& horizons, std::int64_t row);
// Whether a window lies completely inside an episode of `length` rows.
ROBOIMI_EXPORT bool is_whole(const Horizons& horizons, const WindowRows& rows, std::int64_t length);

class ROBOIMI_EXPORT WindowSampler {
 public:
  WindowSampler(std::shared_ptr<const Dataset> dataset, const WindowSamplerOptions& options);
  ~WindowSampler();
  WindowSampler(const WindowSampler&) = delete;
  WindowSampler& operator=(const WindowSampler&) = delete;

  // Adds features or images to the batches; call one of the two. Without either, batches contain
  // only vectors and strings. Features are copied to the device once; if there are several
  // variants, the variant of a window is drawn from (seed, step).
  void set_features(const Embeddings& embeddings);
  // Frames are copied to the device once, too, if `keep_on_device` (nullopt: on a GPU, if they fit;
  // see data/device_frames.h); otherwise for each batch, while the device works on the one before.
  void set_frames(std::shared_ptr<const FrameStore> frames,
                  std::optional<bool> keep_on_device = std::nullopt);

  std::int64_t num_windows() const { return num_windows_; }
  std::int64_t batch_size() const { return options_.batch_size; }
  std::int64_t steps_per_epoch() const;  // rounded up
  // Of the parts with a weight above 0. Empty without parts.
  const std::vector<WindowShare>& shares() const { return shares_; }

  // The windows of a step: int64 [B] on the CPU, each in [0, num_windows). Windows are numbered in
  // the order of their present rows in the concatenated episodes; rows without a window are
  // skipped.
  at::Tensor indices(std::int64_t step) const;
  // The batch of a step, on the device, without waiting for the device. Call from one thread at a
  // time.
  Batch batch(std::int64_t step);
  // The batch of the given windows, int64 [B] on the CPU, for evaluation. Uses variant 0 of the
  // features.
  Batch batch_of(const at::Tensor& windows) const;

 private:
  void build_tables();
  void build_order();
  Batch batch_without_images(const at::Tensor& windows, const at::Tensor& variants) const;
  Observation images_of(const at::Tensor& windows) const;
  bool frames_fit_on_device() const;

  std::shared_ptr<const Dataset> dataset_;
  WindowSamplerOptions options_;
  std::int64_t num_rows_ = 0;                    // R, of all chosen episodes
  std::int64_t num_windows_ = 0;                 // N
  std::vector<FrameIndex> present_;              // [N], the present row of each window
  std::vector<std::int64_t> first_observation_;  // [N], row in its episode, not clamped
  // On the device. Rows are numbered through the concatenated chosen episodes.
  Observation tables_;                           // [R, D] each: vectors and strings
  at::Tensor actions_;                           // [R, A]
  at::Tensor features_;                          // [R * K, V], or on the CPU of all episodes
  at::Tensor feature_shift_;                     // int64 [N], from a row to that of features_
  at::Tensor first_row_, last_row_;              // int64 [N], of the window's episode, inclusive
  at::Tensor observation_start_, action_start_;  // int64 [N], not clamped
  at::Tensor observation_steps_, action_steps_;  // row offsets within a window
  at::TensorOptions on_host_;                    // int64, pinned for copies that do not wait
  std::int64_t variants_ = 1;
  std::shared_ptr<const FrameStore> frames_;
  std::unique_ptr<WindowOrder> order_;
  std::vector<WindowShare> shares_;
  std::unique_ptr<DeviceFrames> device_frames_;  // nullptr: copied for each batch
  Uploader uploader_;
  std::unique_ptr<Prefetcher<Upload>> prefetcher_;
};

}  // namespace roboimi
