#include "roboimi/data/embedding_cache.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/version.h>

#include <algorithm>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/log.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/mode_guard.h"
#include "roboimi/data/background_queue.h"
#include "roboimi/data/binary_file.h"
#include "roboimi/data/cache_folder.h"
#include "roboimi/data/checked_reads.h"
#include "roboimi/data/frame_encoder.h"
#include "roboimi/data/numerics.h"
#include "roboimi/data/prefetcher.h"
#include "roboimi/io/safetensors.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostReaders = 6;
constexpr std::size_t kWaitingBlocks = 2;  // encoded, but not written yet

void check_streams(const Backbone& backbone, const Dataset& dataset) {
  const ObservationSpec& spec = dataset.spec();
  for (const std::string& stream : backbone.stream_names()) {
    if (spec.find(stream) != nullptr) continue;
    const auto& cameras = backbone.camera_names();
    const bool is_camera = std::ranges::find(cameras, stream) != cameras.end();
    throw Error({.what = fmt::format("the backbone needs {} '{}', which the dataset does not have",
                                     is_camera ? "camera" : "the stream", stream),
                 .where = backbone.name(),
                 .expected = fmt::format("{}", fmt::join(backbone.stream_names(), ", ")),
                 .found = fmt::format("{}", fmt::join(spec.names(), ", ")),
                 .next = "if it is a camera, add it to data.camera_names"});
  }
}

// Threads that read blocks, and the number of blocks read in advance. Encoding on a CPU occupies
// its cores, so one thread is enough to keep the disk busy.
std::int64_t readers_of(c10::Device device) {
  if (device.is_cpu()) return 1;
  return std::clamp<std::int64_t>(std::thread::hardware_concurrency() / 2, 1, kMostReaders);
}

// Appends the features that are missing in `partial`, block by block, and syncs each block to disk.
// Reading, copying to and from the device, encoding and writing overlap. Returns the number of
// frames encoded.
std::int64_t complete_partial(const FrameEncoder& encoder, const fs::path& partial,
                              std::int64_t row_bytes, const EmbeddingCacheOptions& options) {
  // Find out how many complete blocks an earlier process has written.
  const std::int64_t total = encoder.num_frames();
  std::int64_t done = 0;
  if (fs::exists(partial)) {
    done = std::min(total, static_cast<std::int64_t>(fs::file_size(partial)) / row_bytes);
    if (done < total) done -= done % options.block_size;
  }
  const std::int64_t found = done;
  if (found > 0) {
    logger().info("embedding cache: continuing, {} of {} frames are already encoded", found, total);
  }
  // Encode the rest: read blocks in advance, and write them in order on another thread.
  BinaryFile out(partial, static_cast<std::uint64_t>(done * row_bytes));
  const auto end_of = [&](std::int64_t begin) {
    return std::min(total, begin + options.block_size);
  };
  BackgroundQueue writer(kWaitingBlocks);
  Prefetcher<Upload> uploads(
      [&](std::int64_t block) {
        const std::int64_t begin = found + block * options.block_size;
        return begin < total ? encoder.upload(begin, end_of(begin)) : Upload();
      },
      readers_of(options.device), readers_of(options.device));
  for (std::int64_t block = 0; done < total; ++block) {
    if (options.should_stop && options.should_stop()) {
      writer.finish();
      throw Interrupted({.what = fmt::format("interrupted after {} of {} frames", done, total),
                         .where = partial.string(),
                         .next = "run the same command again to continue"});
    }
    const std::int64_t end = end_of(done);
    const Download features = encoder.encode(uploads.get(block), done, end);
    writer.push([&out, features] {
      const at::Tensor values = take(features);
      out.append(values.data_ptr(), static_cast<std::size_t>(values.nbytes()));
      out.sync();
    });
    done = end;
    if (options.progress) options.progress(done, total);
  }
  writer.finish();
  return total - found;
}

void write_finished(const fs::path& file, const fs::path& partial, const FrameEncoder& encoder,
                    const Backbone& backbone, const std::string& fingerprint,
                    const EmbeddingCacheOptions& options) {
  // The features, mapped from the partial file.
  const std::int64_t total = encoder.num_frames();
  const MappedFile raw(partial);
  const at::Tensor values =
      at::from_blob(const_cast<std::uint8_t*>(raw.data()),
                    {total, options.variants, backbone.feature_dim()}, backbone.cached_dtype());
  // The episode and row of each frame.
  const at::Tensor episode = at::empty({total}, at::kLong);
  const at::Tensor frame = at::empty({total}, at::kLong);
  const auto& first = encoder.first();
  for (std::size_t i = 0; i + 1 < first.size(); ++i) {
    episode.slice(0, first[i], first[i + 1]).fill_(static_cast<std::int64_t>(i));
    frame.slice(0, first[i], first[i + 1]).copy_(at::arange(first[i + 1] - first[i], at::kLong));
  }
  write_safetensors(file, {{"embeddings", values}, {"episode", episode}, {"frame", frame}},
                    {{"fingerprint", fingerprint},
                     {"identity", fmt::format("{}, {}\n{}", options.identity.component,
                                              options.identity.build, options.identity.options)},
                     {"torch", TORCH_VERSION}});
}

Embeddings load(const fs::path& file, const std::string& fingerprint, const Backbone& backbone,
                std::int64_t variants, std::vector<std::int64_t> first) {
  TensorFile stored = read_safetensors(file);
  const auto mismatch = [&](const std::string& expected, const std::string& found) {
    return Error({.what = "the contents of the embedding cache do not match its name",
                  .where = file.string(),
                  .expected = expected,
                  .found = found,
                  .next = "delete it; it will be rebuilt"});
  };
  if (stored.metadata["fingerprint"] != fingerprint) {
    throw mismatch("fingerprint " + fingerprint, stored.metadata["fingerprint"]);
  }
  const auto expect = [&](const char* name, at::ScalarType dtype, at::IntArrayRef shape) {
    const at::Tensor tensor = stored.tensors[name];
    if (tensor.defined() && tensor.scalar_type() == dtype && tensor.sizes() == shape) return;
    throw mismatch(fmt::format("{} {} [{}]", name, c10::toString(dtype), fmt::join(shape, ", ")),
                   describe_tensor(tensor));
  };
  expect("embeddings", backbone.cached_dtype(), {first.back(), variants, backbone.feature_dim()});
  expect("episode", at::kLong, {first.back()});
  expect("frame", at::kLong, {first.back()});
  return {.values = stored.tensors["embeddings"],
          .episode = stored.tensors["episode"],
          .frame = stored.tensors["frame"],
          .first = std::move(first),
          .file = file,
          .fingerprint = fingerprint,
          .are_normalized = backbone.features_are_normalized()};
}

std::string file_name(const std::string& key) {
  return "embeddings-" + key.substr(0, 32) + ".safetensors";
}

}  // namespace

at::Tensor Embeddings::of_episodes(const std::vector<std::int64_t>& episodes) const {
  bool consecutive = !episodes.empty();
  for (std::size_t i = 1; i < episodes.size(); ++i) {
    consecutive = consecutive && episodes[i] == episodes[i - 1] + 1;
  }
  const auto start = [&](std::int64_t episode) { return first[static_cast<std::size_t>(episode)]; };
  if (consecutive) return values.slice(0, start(episodes.front()), start(episodes.back() + 1));
  std::vector<at::Tensor> parts;
  for (const std::int64_t episode : episodes) {
    parts.push_back(values.slice(0, start(episode), start(episode + 1)));
  }
  return parts.empty() ? values.slice(0, 0, 0) : at::cat(parts);
}

std::string embedding_fingerprint(const Backbone& backbone, const Dataset& dataset,
                                  const EmbeddingCacheOptions& options) {
  Sha256 hash;
  // Numerics, components and dtype.
  const std::string own = backbone.cache_identity();
  hash.update_text("embeddings 2").update_text(numerics_of(options.device));
  hash.update_text(options.identity.build);
  hash.update_text(own.empty() ? options.identity.component + options.identity.options : own);
  hash.update_text(options.data_identity.component).update_text(options.data_identity.build);
  hash.update_text(options.data_identity.options);
  hash.update_text(c10::toString(backbone.cached_dtype()));
  // Weights.
  for (const auto& parameter : backbone.named_parameters()) {
    hash.update_text(parameter.key()).update_tensor(parameter.value());
  }
  for (const auto& buffer : backbone.named_buffers()) {
    hash.update_text(buffer.key()).update_tensor(buffer.value());
  }
  // Streams, variants and data.
  for (const std::string& stream : backbone.stream_names()) hash.update_text(stream);
  hash.update_text(fmt::format("{} variants", options.variants));
  if (options.variants > 1) hash.update_text(std::to_string(options.seed));
  hash.update_text(data_fingerprint(dataset, options.verify));
  return hash.hex();
}

fs::path embedding_file(const Backbone& backbone, const Dataset& dataset,
                        const EmbeddingCacheOptions& options) {
  return options.folder / file_name(embedding_fingerprint(backbone, dataset, options));
}

Embeddings cached_embeddings(Backbone& backbone, const Dataset& dataset,
                             const EmbeddingCacheOptions& options) {
  ROBOIMI_CHECK(options.variants >= 1 && options.block_size >= 1,
                c10::str(options.variants, " variants, blocks of ", options.block_size));
  // Check that the backbone can be cached.
  if (!backbone.frozen()) {
    throw Error({.what = "only features of a frozen backbone can be cached",
                 .where = backbone.name(),
                 .next = "set frozen: true, or train without the cache"});
  }
  check_streams(backbone, dataset);
  if (!c10::isFloatingType(backbone.cached_dtype())) {
    throw Error({.what = "cached_dtype() is not a floating-point dtype",
                 .where = backbone_name(backbone, options),
                 .expected = "a floating-point dtype",
                 .found = c10::toString(backbone.cached_dtype()),
                 .next = "fix the plugin, or report the problem to its author"});
  }
  if (options.variants > 1 && !backbone.has_random_transform()) {
    throw Error({.what = "cache.variants is above 1, but this backbone has no random transform",
                 .where = backbone.name(),
                 .expected = "1",
                 .found = std::to_string(options.variants)});
  }
  // Use the file if it exists.
  const std::string key = embedding_fingerprint(backbone, dataset, options);
  const fs::path folder = options.folder.empty() ? cache_folder(dataset) : options.folder;
  const fs::path file = folder / file_name(key);
  const FrameEncoder encoder(backbone, dataset, options);
  const fs::path partial = fs::path(file).replace_extension(".partial");
  if (fs::exists(file)) {
    // A process may have been killed before it removed its partial file.
    std::error_code ignored;
    fs::remove(partial, ignored);
    return load(file, key, backbone, options.variants, encoder.first());
  }

  // Otherwise make it, unless another process has done so in the meantime.
  const ProcessLock lock = lock_cached_file(file, options.should_stop);
  std::int64_t num_encoded = 0;
  if (!fs::exists(file)) {
    const ModeGuard mode(backbone, options.variants > 1);
    const std::int64_t row_bytes =
        static_cast<std::int64_t>(c10::elementSize(backbone.cached_dtype())) * options.variants *
        backbone.feature_dim();
    num_encoded = complete_partial(encoder, partial, row_bytes, options);
    write_finished(file, partial, encoder, backbone, key, options);
    fs::remove(partial);
  }
  Embeddings embeddings = load(file, key, backbone, options.variants, encoder.first());
  embeddings.num_encoded = num_encoded;
  return embeddings;
}

}  // namespace roboimi
