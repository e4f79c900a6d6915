// Diagnostics of a learned representation: whether it has collapsed, and a plot of the path of an
// episode through it.
//
//   at::Tensor values = representation_of(agent, embeddings, held_out_episodes, device);  // [N, D]
//   std::map<std::string, double> metrics = representation_metrics(values);
//   metrics["effective_rank"]    // 1 if all frames vary along a single direction
//   write_pca_image("pca.png", values.slice(0, 0, 200));
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/data/embedding_cache.h"
#include "roboimi/data/frame_store.h"

namespace roboimi {

// Agent::represent() of every frame of these episodes, concatenated: float [N, D] on the CPU. Runs
// in evaluation mode and restores the former mode. Uses the first variant of each frame.
ROBOIMI_EXPORT at::Tensor representation_of(Agent& agent, const Embeddings& embeddings,
                                            const std::vector<std::int64_t>& episodes,
                                            c10::Device device);

// The same with frames of the store instead of cached features: the agent's backbone, which must be
// frozen, encodes them.
ROBOIMI_EXPORT at::Tensor representation_of(Agent& agent, const FrameStore& frames,
                                            const Dataset& dataset,
                                            const std::vector<std::int64_t>& episodes,
                                            c10::Device device);

// Statistics of `values` [N, D]. effective_rank: exp of the entropy of the covariance's normalized
// eigenvalues (1 .. D); std_mean, std_min: mean and minimum over the D standard deviations.
ROBOIMI_EXPORT std::map<std::string, double> representation_metrics(const at::Tensor& values);

// A description of how the representation has collapsed, from representation_metrics(); empty if it
// has not.
ROBOIMI_EXPORT std::string collapse_of(const std::map<std::string, double>& metrics);

// Plots the rows [N, D] of one episode in the plane of their first two principal components, as a
// line from blue (start) to red (end).
ROBOIMI_EXPORT void write_pca_image(const std::filesystem::path& png, const at::Tensor& values);

}  // namespace roboimi
