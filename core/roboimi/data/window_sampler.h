// Training batches: windows of observations and action chunks, shuffled, on the training device.
//
//   WindowSampler sampler(dataset, {.horizons = agent.horizons(), .batch_size = 64, .seed = 1,
//                                   .device = device});
//   sampler.set_features(cached);            // a frozen backbone, or
//   sampler.set_frames(frame_store);         // one that trains
//   Batch batch = sampler.batch(step);
//
// Every row t of every episode is the present of one window; nothing is dropped unless the
// horizons ask for whole windows. With To observations and H actions:
//   diffusion  observations t-To+1 .. t, actions t-To+1 .. t-To+H   (the window w = t-To+1)
//   act        observations t-To+1 .. t, actions t .. t+H-1
// Observations are Horizons::obs_stride rows apart; above, that is 1. Indices outside the episode
// repeat its first or last row; is_pad is true for such actions. Under Horizons::whole_windows only
// windows that need no such index are drawn.
//
// What a step sees is a function of (seed, step): positions step*B .. step*B+B-1 of an endless
// sequence of permutations, one per epoch, so that every window comes once per epoch, every batch
// is full, and resuming needs no state.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/observation.h"
#include "roboimi/data/embedding_cache.h"
#include "roboimi/data/frame_store.h"
#include "roboimi/data/prefetcher.h"

namespace roboimi {

struct WindowSamplerOptions {
  Horizons horizons;
  std::int64_t batch_size = 64;
  std::uint64_t seed = 0;
  c10::Device device = c10::kCPU;
  std::vector<std::int64_t> episodes = {};  // of the dataset, to train on; empty: all
  std::int64_t prefetch = 2;                // batches of images gathered ahead of the step
  // Processes of one training take turns in the sequence: each sees its own part of a batch of
  // batch_size * world_size.
  std::int64_t rank = 0;
  std::int64_t world_size = 1;
};

// Rows of one window within its episode, before clamping to [0, length).
struct WindowRows {
  std::int64_t first_observation = 0;
  std::int64_t first_action = 0;
};
// The alignment rule above, for the present `row`.
ROBOIMI_EXPORT WindowRows window_rows(const Horizons& horizons, std::int64_t row);
// Whether such a window lies inside an episode of `length` rows.
ROBOIMI_EXPORT bool is_whole(const Horizons& horizons, const WindowRows& rows, std::int64_t length);

class ROBOIMI_EXPORT WindowSampler {
 public:
  WindowSampler(std::shared_ptr<const Dataset> dataset, const WindowSamplerOptions& options);
  ~WindowSampler();
  WindowSampler(const WindowSampler&) = delete;
  WindowSampler& operator=(const WindowSampler&) = delete;

  // One of the two gives batches their vision; neither leaves them with vectors and texts only,
  // which every batch holds. Features are uploaded once; with several variants a window's is drawn
  // from (seed, step).
  void set_features(const Embeddings& embeddings);
  void set_frames(std::shared_ptr<const FrameStore> frames);

  std::int64_t num_windows() const { return num_windows_; }
  std::int64_t batch_size() const { return options_.batch_size; }
  std::int64_t steps_per_epoch() const;  // rounded up

  // The windows of a step: int64 [B] on the CPU, each in [0, num_windows). Windows follow the rows
  // that are their present: window n's is row n of the chosen episodes laid end to end, less the
  // rows without a window.
  at::Tensor indices(std::int64_t step) const;
  // Everything on the device. The first batch of an epoch waits until the epoch's order is copied
  // there; no other batch waits for the device. From one thread at a time.
  Batch batch(std::int64_t step);
  // The windows given, for evaluation: int64 [B] on the CPU. Features are those of variant 0.
  Batch batch_of(const at::Tensor& windows) const;

 private:
  // An epoch's order, where it was drawn and where it is used.
  struct Order {
    at::Tensor on_cpu, on_device;  // int64 [num_windows]
  };

  void lay_out();
  Order order(std::int64_t epoch) const;
  at::Tensor stretch(std::int64_t step, at::Tensor Order::*where) const;
  Batch numbers_of(const at::Tensor& windows, const at::Tensor& variants) const;
  Observation images_of(const at::Tensor& windows) const;

  std::shared_ptr<const Dataset> dataset_;
  WindowSamplerOptions options_;
  std::int64_t num_rows_ = 0;                    // R, of all chosen episodes
  std::int64_t num_windows_ = 0;                 // N
  std::vector<FrameIndex> present_;              // [N], of each window
  std::vector<std::int64_t> first_observation_;  // [N], row in its episode, not clamped
  // On the device. Rows count through the chosen episodes laid end to end.
  Observation tables_;                           // [R, D] each: vectors and texts
  at::Tensor actions_;                           // [R, A]
  at::Tensor features_;                          // [R * K, V]
  at::Tensor first_row_, last_row_;              // int64 [N]: of the window's episode, inclusive
  at::Tensor observation_start_, action_start_;  // int64 [N], not clamped
  at::Tensor observation_steps_, action_steps_;  // rows from the window's first
  at::TensorOptions on_host_;  // of integers that a step copies to the device without waiting
  std::int64_t variants_ = 1;
  std::shared_ptr<const FrameStore> frames_;
  mutable std::mutex orders_mutex_;
  mutable std::map<std::int64_t, Order> orders_;  // of the latest epochs
  std::unique_ptr<Prefetcher<Observation>> prefetcher_;
};

}  // namespace roboimi
