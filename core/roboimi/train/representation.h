// What a representation is like: whether it has collapsed, and the path that an episode takes in
// it.
//
//   at::Tensor values = representation_of(agent, embeddings, held_out_episodes, device);  // [N, D]
//   std::map<std::string, double> figures = representation_figures(values);
//   figures["effective_rank"]    // 1 when every frame gives the same direction
//   write_pca_picture("pca.png", values.slice(0, 0, 200));
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
#include "roboimi/data/embedding_cache.h"

namespace roboimi {

// Agent::represent() of every frame of these episodes, laid end to end: float [N, D] on the CPU. In
// evaluation mode, which is restored. Frames with several variants give their first.
ROBOIMI_EXPORT at::Tensor representation_of(Agent& agent, const Embeddings& embeddings,
                                            const std::vector<std::int64_t>& episodes,
                                            c10::Device device);

// effective_rank: exp of the entropy of the covariance's normalised eigenvalues (1 .. D);
// std_mean, std_min: of the numbers' standard deviations over the rows [N, D].
ROBOIMI_EXPORT std::map<std::string, double> representation_figures(const at::Tensor& values);

// "" or, in words, how the figures say that the representation has collapsed.
ROBOIMI_EXPORT std::string collapse_of(const std::map<std::string, double>& figures);

// The rows [N, D] of one episode in the plane of their two main directions, from blue (start) to
// red (end).
ROBOIMI_EXPORT void write_pca_picture(const std::filesystem::path& png, const at::Tensor& values);

}  // namespace roboimi
