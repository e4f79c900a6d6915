#include "roboimi/data/frame_encoder.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/data/checked_reads.h"

namespace roboimi {
namespace {

std::vector<std::int64_t> first_rows(const Dataset& dataset) {
  std::vector<std::int64_t> first = {0};
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    first.push_back(first.back() + dataset.episode(i).length);
  }
  return first;
}

}  // namespace

std::string backbone_name(const Backbone& backbone, const EmbeddingCacheOptions& options) {
  return options.identity.component.empty() ? backbone.name() : options.identity.component;
}

FrameEncoder::FrameEncoder(Backbone& backbone, const Dataset& dataset,
                           const EmbeddingCacheOptions& options)
    : backbone_(backbone),
      dataset_(dataset),
      options_(options),
      first_(first_rows(dataset)),
      uploader_(options.device) {}

Upload FrameEncoder::upload(std::int64_t begin, std::int64_t end) const {
  return uploader_.start(read(begin, end));
}

Download FrameEncoder::encode(Upload frames, std::int64_t begin, std::int64_t end) const {
  const torch::NoGradGuard no_grad;
  const Observation streams = take(std::move(frames));
  return start_download(
      encode_float(streams, begin, end).to(backbone_.cached_dtype()).contiguous());
}

at::Tensor FrameEncoder::encode_float(const Observation& streams, std::int64_t begin,
                                      std::int64_t end) const {
  if (options_.variants == 1) {
    at::Generator unused = make_generator(options_.seed, options_.device);
    return checked(backbone_.encode(streams, unused), end - begin).unsqueeze(1);
  }
  // One frame at a time, so that a crop depends on (seed, frame, variant) but not on the block.
  std::vector<at::Tensor> rows;
  for (std::int64_t frame = begin; frame < end; ++frame) {
    Observation one;
    for (const auto& [name, all] : streams) {
      one[name] = all.slice(0, frame - begin, frame - begin + 1);
    }
    for (std::int64_t variant = 0; variant < options_.variants; ++variant) {
      at::Generator generator =
          make_generator(mix_seed(options_.seed, static_cast<std::uint64_t>(frame),
                                  static_cast<std::uint64_t>(variant)),
                         options_.device);
      rows.push_back(checked(backbone_.encode(one, generator), 1));
    }
  }
  return at::cat(rows).view({end - begin, options_.variants, -1});
}

Observation FrameEncoder::read(std::int64_t begin, std::int64_t end) const {
  Observation streams;
  for (const std::string& name : backbone_.stream_names()) {
    std::vector<at::Tensor> parts;
    for (std::int64_t row = begin; row < end;) {
      const auto after = std::upper_bound(first_.begin(), first_.end(), row);
      const std::int64_t episode = after - first_.begin() - 1;
      const std::int64_t stop = std::min(end, *after);
      parts.push_back(read_stream(dataset_, episode, name, row - *(after - 1), stop - row));
      row = stop;
    }
    const at::Tensor rows = parts.size() == 1 ? parts[0] : at::cat(parts);
    streams[name] = rows.unsqueeze(1);
  }
  return streams;
}

at::Tensor FrameEncoder::checked(const at::Tensor& features, std::int64_t count) const {
  const std::int64_t dim = backbone_.feature_dim();
  if (features.defined() && features.scalar_type() == at::kFloat &&
      features.sizes() == at::IntArrayRef({count, 1, dim})) {
    return features.squeeze(1).contiguous();
  }
  throw Error({.what = "encode() returned features of the wrong dtype or shape",
               .where = backbone_name(backbone_, options_),
               .expected = fmt::format("Float [{}, 1, {}]", count, dim),
               .found = describe_tensor(features),
               .next = "fix the plugin, or report the problem to its author"});
}

}  // namespace roboimi
