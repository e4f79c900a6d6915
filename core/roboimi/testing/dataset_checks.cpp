#include "roboimi/testing/dataset_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <fstream>
#include <future>

#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

using Made = std::shared_ptr<Dataset>;

constexpr std::int64_t kMostEpisodes = 3;  // examined; data may be large

Made make(const DatasetQuirks& quirks) {
  Made dataset = quirks.make();
  require(dataset != nullptr, "the factory returns no dataset");
  require(dataset->num_episodes() > 0, "there are no episodes to check");
  return dataset;
}

std::int64_t examined(const Dataset& dataset) {
  return std::min(dataset.num_episodes(), kMostEpisodes);
}

void require_table(const at::Tensor& rows, std::int64_t length, std::int64_t dim,
                   const std::string& what) {
  require(rows.defined() && rows.sizes() == at::IntArrayRef({length, dim}),
          fmt::format("{} is not [{}, {}], as episode() and spec() say", what, length, dim));
  require(rows.scalar_type() == at::kFloat, fmt::format("{} is not float32", what));
  require(rows.isfinite().all().item<bool>(), fmt::format("{} is not finite", what));
}

void spec_is_complete(const DatasetQuirks& quirks) {
  const Made dataset = make(quirks);
  const ObservationSpec& spec = dataset->spec();
  require(spec.state_dim > 0 && spec.action_dim > 0, "spec() has no state or no action");
  for (const std::string& camera : spec.camera_names) {
    const auto size = spec.images.find(camera);
    require(size != spec.images.end() && size->second.height > 0 && size->second.width > 0,
            fmt::format("spec() has no size for camera '{}'", camera));
  }
}

void rows_fit_the_spec(const DatasetQuirks& quirks) {
  const Made dataset = make(quirks);
  const ObservationSpec& spec = dataset->spec();
  for (std::int64_t episode = 0; episode < examined(*dataset); ++episode) {
    const std::int64_t length = dataset->episode(episode).length;
    require(length > 0, fmt::format("episode {} has no rows", episode));
    require_table(dataset->state(episode), length, spec.state_dim, "state");
    require_table(dataset->actions(episode), length, spec.action_dim, "actions");
    if (spec.env_state_dim > 0) {
      require_table(dataset->env_state(episode), length, spec.env_state_dim, "env_state");
    }
    for (const auto& [name, values] : dataset->labels(episode)) {
      require(values.dim() == 2 && values.size(0) == length,
              fmt::format("label '{}' is not [{}, k]", name, length));
    }
  }
}

void frames_fit_the_spec(const DatasetQuirks& quirks) {
  const Made dataset = make(quirks);
  for (const std::string& camera : dataset->spec().camera_names) {
    const ImageSize size = dataset->spec().images.at(camera);
    const std::int64_t length = dataset->episode(0).length;
    const std::int64_t count = std::min<std::int64_t>(length, 2);
    const at::Tensor frames = dataset->frames(0, camera, length - count, count);
    require(frames.scalar_type() == at::kByte &&
                frames.sizes() == at::IntArrayRef({count, size.height, size.width, 3}),
            fmt::format("frames of '{}' are not uint8 [{}, {}, {}, 3]", camera, count, size.height,
                        size.width));
    const at::Tensor last = dataset->frames(0, camera, length - 1, 1);
    require(at::equal(frames[count - 1], last[0]),
            fmt::format("one frame of '{}' differs when it is read alone", camera));
  }
}

// Bytes that may be mapped in place must be those that decoding gives.
void mapped_frames_are_the_decoded(const DatasetQuirks& quirks) {
  const Made dataset = make(quirks);
  bool any = false;
  for (const std::string& camera : dataset->spec().camera_names) {
    const auto extent = dataset->frame_extent(0, camera, 0);
    if (!extent) continue;
    any = true;
    const at::Tensor decoded = dataset->frames(0, camera, 0, 1).contiguous();
    at::Tensor mapped = at::empty_like(decoded);
    std::ifstream file(extent->file, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(extent->offset));
    file.read(static_cast<char*>(mapped.data_ptr()), static_cast<std::streamsize>(mapped.nbytes()));
    require(static_cast<bool>(file),
            fmt::format("the frame of '{}' reaches beyond its file", camera));
    require(
        at::equal(mapped, decoded),
        fmt::format("frame_extent() of '{}' points at other bytes than frames() gives", camera));
  }
  if (!any) skip("no frame lies uncompressed");
}

void reading_twice_gives_the_same(const DatasetQuirks& quirks) {
  const Made dataset = make(quirks), other = make(quirks);
  require(dataset->num_episodes() == other->num_episodes(), "two readers count other episodes");
  for (std::int64_t episode = 0; episode < examined(*dataset); ++episode) {
    require(dataset->episode(episode).file == other->episode(episode).file,
            "two readers have the episodes in another order");
    require(at::equal(dataset->actions(episode), other->actions(episode)),
            "two readers give other actions");
  }
}

void threads_may_read_at_once(const DatasetQuirks& quirks) {
  const Made dataset = make(quirks);
  const at::Tensor expected = dataset->state(0);
  std::vector<std::future<bool>> readers;
  for (int i = 0; i < 4; ++i) {
    readers.push_back(std::async(std::launch::async, [&] {
      bool equal = true;
      for (int turn = 0; turn < 5; ++turn) {
        equal = equal && at::equal(dataset->state(0), expected);
        for (const std::string& camera : dataset->spec().camera_names) {
          equal = equal && dataset->frames(0, camera, 0, 1).size(0) == 1;
        }
      }
      return equal;
    }));
  }
  bool equal = true;
  for (auto& reader : readers) equal = reader.get() && equal;
  require(equal, "rows read from several threads at once differ; guard shared state by a mutex");
}

void what_is_not_there_is_refused(const DatasetQuirks& quirks) {
  const Made dataset = make(quirks);
  const std::int64_t length = dataset->episode(0).length;
  if (dataset->spec().camera_names.empty()) skip("it has no camera");
  const std::string camera = dataset->spec().camera_names.front();
  require_error("an unknown camera", {"no_such_camera"},
                [&] { dataset->frames(0, "no_such_camera", 0, 1); });
  require_error("frames beyond the end", {}, [&] { dataset->frames(0, camera, length, 1); });
}

}  // namespace

const std::vector<Check<DatasetQuirks>>& dataset_checks() {
  static const std::vector<Check<DatasetQuirks>> checks = {
      {"spec_is_complete", "policies are built from it", spec_is_complete},
      {"rows_fit_the_spec", "windows are cut from them", rows_fit_the_spec},
      {"frames_fit_the_spec", "backbones are built for their size", frames_fit_the_spec},
      {"mapped_frames_are_the_decoded", "they are trained on without being decoded",
       mapped_frames_are_the_decoded},
      {"reading_twice_gives_the_same", "caches and resumed runs rely on the order",
       reading_twice_gives_the_same},
      {"threads_may_read_at_once", "batches are prepared in parallel", threads_may_read_at_once},
      {"what_is_not_there_is_refused", "a wrong index must not read other memory",
       what_is_not_there_is_refused},
  };
  return checks;
}

}  // namespace roboimi::testing
