#include "roboimi/testing/dataset_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <set>
#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/testing/same_tensor.h"

namespace roboimi::testing {
namespace {

using MadeDataset = std::shared_ptr<Dataset>;

constexpr std::int64_t kMostEpisodes = 3;  // number of episodes to check; data may be large

MadeDataset make(const DatasetSubject& subject) {
  MadeDataset dataset = subject.make();
  require(dataset != nullptr, "the factory returns no dataset");
  require(dataset->num_episodes() > 0, "there are no episodes to check");
  return dataset;
}

bool is_positive(std::int64_t size) { return size > 0; }

std::int64_t num_checked(const Dataset& dataset) {
  return std::min(dataset.num_episodes(), kMostEpisodes);
}

void require_actions(const at::Tensor& rows, std::int64_t length, std::int64_t dim) {
  require(rows.defined() && rows.sizes() == at::IntArrayRef({length, dim}),
          fmt::format("the shape of actions is not [{}, {}], as episode() and spec() declare",
                      length, dim));
  require(rows.scalar_type() == at::kFloat, "actions are not float32");
  require(rows.isfinite().all().item<bool>(), "actions are not finite");
}

std::vector<StreamSpec> images_of(const Dataset& dataset) {
  std::vector<StreamSpec> images;
  for (const StreamSpec& stream : dataset.spec().streams) {
    if (stream.is_image()) images.push_back(stream);
  }
  return images;
}

bool has_dtype_of_its_kind(const StreamSpec& stream) {
  switch (stream.kind) {
    case StreamKind::kRgb:
    case StreamKind::kText:
      return stream.dtype == at::kByte;
    case StreamKind::kDepth:
      return stream.dtype == at::kFloat || stream.dtype == at::kUInt16;
    case StreamKind::kVector:
      return stream.dtype == at::kFloat;
  }
  return false;
}

// Rows of a stream, with the shape and dtype of spec().
at::Tensor read_rows(const Dataset& dataset, std::int64_t episode, const StreamSpec& stream,
                     std::int64_t first, std::int64_t count) {
  const at::Tensor rows = dataset.read(episode, stream.name, first, count);
  std::vector<std::int64_t> shape = {count};
  shape.insert(shape.end(), stream.shape.begin(), stream.shape.end());
  require(rows.defined() && rows.scalar_type() == stream.dtype && rows.sizes() == shape,
          fmt::format("{} rows of '{}' are not {} [{}], as spec() declares", count, stream.name,
                      c10::toString(stream.dtype), fmt::join(shape, ", ")));
  require(!rows.is_floating_point() || rows.isfinite().all().item<bool>(),
          fmt::format("rows of '{}' in episode {} are not finite", stream.name, episode));
  return rows;
}

// Requires that the last of `rows`, which end the episode, is the same when it is read alone.
void require_same_alone(const Dataset& dataset, std::int64_t episode, const StreamSpec& stream,
                        const at::Tensor& rows) {
  const at::Tensor last =
      read_rows(dataset, episode, stream, dataset.episode(episode).length - 1, 1);
  require(same_tensor(rows[rows.size(0) - 1], last[0]),
          fmt::format("a row of '{}' differs when it is read separately", stream.name));
}

void spec_is_complete(const DatasetSubject& subject) {
  const MadeDataset dataset = make(subject);
  const ObservationSpec& spec = dataset->spec();
  require(!spec.streams.empty() && spec.action_dim > 0, "spec() has no stream or no action");
  std::set<std::string> names;
  for (const StreamSpec& stream : spec.streams) {
    require(!stream.name.empty() && names.insert(stream.name).second,
            fmt::format("spec() has an empty or duplicate stream name '{}'", stream.name));
    const std::size_t rank = stream.kind == StreamKind::kRgb     ? 3
                             : stream.kind == StreamKind::kDepth ? 2
                                                                 : 1;
    require(stream.shape.size() == rank && std::ranges::all_of(stream.shape, is_positive),
            fmt::format("spec() has no size for the {} '{}'", to_string(stream.kind), stream.name));
    require(has_dtype_of_its_kind(stream),
            fmt::format("spec() has the dtype {} for the {} '{}'; see StreamKind",
                        c10::toString(stream.dtype), to_string(stream.kind), stream.name));
  }
}

void rows_fit_the_spec(const DatasetSubject& subject) {
  const MadeDataset dataset = make(subject);
  const ObservationSpec& spec = dataset->spec();
  for (std::int64_t episode = 0; episode < num_checked(*dataset); ++episode) {
    const std::int64_t length = dataset->episode(episode).length;
    require(length > 0, fmt::format("episode {} has no rows", episode));
    // Actions, vectors and labels.
    require_actions(dataset->actions(episode), length, spec.action_dim);
    for (const StreamSpec& stream : spec.streams) {
      if (stream.kind != StreamKind::kVector) continue;
      require_same_alone(*dataset, episode, stream,
                         read_rows(*dataset, episode, stream, 0, length));
    }
    for (const auto& [name, values] : dataset->labels(episode)) {
      require(values.dim() == 2 && values.size(0) == length,
              fmt::format("the shape of label '{}' is not [{}, k]", name, length));
    }
  }
}

void frames_fit_the_spec(const DatasetSubject& subject) {
  const MadeDataset dataset = make(subject);
  for (const StreamSpec& stream : images_of(*dataset)) {
    for (std::int64_t episode = 0; episode < num_checked(*dataset); ++episode) {
      // The first frame and the last two; an episode may be long.
      const std::int64_t length = dataset->episode(episode).length;
      const std::int64_t count = std::min<std::int64_t>(length, 2);
      read_rows(*dataset, episode, stream, 0, 1);
      require_same_alone(*dataset, episode, stream,
                         read_rows(*dataset, episode, stream, length - count, count));
    }
  }
}

void strings_fit_the_spec(const DatasetSubject& subject) {
  const MadeDataset dataset = make(subject);
  bool any = false;
  for (const StreamSpec& stream : dataset->spec().streams) {
    if (stream.kind != StreamKind::kText) continue;
    any = true;
    for (std::int64_t episode = 0; episode < num_checked(*dataset); ++episode) {
      // There must be as many rows as in the episode. They must not change, and each must be a
      // padded UTF-8 string.
      const std::int64_t length = dataset->episode(episode).length;
      const at::Tensor rows = read_rows(*dataset, episode, stream, 0, length);
      require_same_alone(*dataset, episode, stream, rows);
      for (std::int64_t row = 0; row < length; ++row) {
        const std::string text = text_of(rows[row].contiguous());
        const std::int64_t end = static_cast<std::int64_t>(text.size());
        require(is_utf8(text) && rows[row].slice(0, end).sum().item<std::int64_t>() == 0,
                fmt::format("row {} of '{}' in episode {} is not UTF-8, padded with zeros", row,
                            stream.name, episode));
      }
    }
  }
  if (!any) skip("there is no text stream");
}

// Memory-mapped frames must have the same bytes as decoded frames.
void mapped_frames_equal_decoded_frames(const DatasetSubject& subject) {
  const MadeDataset dataset = make(subject);
  bool any = false;
  for (const StreamSpec& stream : images_of(*dataset)) {
    const std::string& camera = stream.name;
    const auto extent = dataset->frame_extent(0, camera, 0);
    if (!extent) continue;
    any = true;
    const at::Tensor decoded = dataset->read(0, camera, 0, 1).contiguous();
    at::Tensor mapped = at::empty_like(decoded);
    std::ifstream file(extent->file, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(extent->offset));
    file.read(static_cast<char*>(mapped.data_ptr()), static_cast<std::streamsize>(mapped.nbytes()));
    require(static_cast<bool>(file),
            fmt::format("frame_extent() of '{}' is beyond the end of the file", camera));
    require(at::equal(mapped, decoded),
            fmt::format("the bytes at frame_extent() of '{}' differ from those of read()", camera));
  }
  if (!any) skip("no frame is stored uncompressed");
}

void reading_twice_gives_the_same(const DatasetSubject& subject) {
  const MadeDataset dataset = make(subject), other = make(subject);
  require(dataset->num_episodes() == other->num_episodes(),
          "two readers have different numbers of episodes");
  for (std::int64_t episode = 0; episode < num_checked(*dataset); ++episode) {
    require(dataset->episode(episode).file == other->episode(episode).file,
            "two readers have the episodes in different orders");
    require(same_tensor(dataset->actions(episode), other->actions(episode)),
            "two readers return different actions");
    for (const StreamSpec& stream : dataset->spec().streams) {
      const std::int64_t count = stream.is_image() ? 1 : dataset->episode(episode).length;
      require(same_tensor(dataset->read(episode, stream.name, 0, count),
                          other->read(episode, stream.name, 0, count)),
              fmt::format("two readers return different rows of '{}'", stream.name));
    }
  }
}

void threads_may_read_at_once(const DatasetSubject& subject) {
  // Read in several threads and compare with the first result.
  const MadeDataset dataset = make(subject);
  const at::Tensor expected = dataset->actions(0);
  std::vector<std::future<bool>> readers;
  for (int i = 0; i < 4; ++i) {
    readers.push_back(std::async(std::launch::async, [&] {
      bool equal = true;
      for (int turn = 0; turn < 5; ++turn) {
        equal = equal && at::equal(dataset->actions(0), expected);
        for (const StreamSpec& stream : dataset->spec().streams) {
          equal = equal && dataset->read(0, stream.name, 0, 1).size(0) == 1;
        }
      }
      return equal;
    }));
  }
  bool equal = true;
  for (auto& reader : readers) equal = reader.get() && equal;
  require(equal, "rows read from several threads at once differ; guard shared state with a mutex");
}

void missing_streams_and_rows_are_refused(const DatasetSubject& subject) {
  const MadeDataset dataset = make(subject);
  const std::int64_t length = dataset->episode(0).length;
  require_error("an unknown stream", {"no_such_stream"},
                [&] { dataset->read(0, "no_such_stream", 0, 1); });
  for (const StreamSpec& stream : dataset->spec().streams) {
    require_error("rows of '" + stream.name + "' beyond the end", {},
                  [&] { dataset->read(0, stream.name, length, 1); });
  }
}

void parts_hold_each_episode_once(const DatasetSubject& subject) {
  const MadeDataset dataset = make(subject);
  if (dataset->parts().empty()) skip("the dataset has no parts with weights");
  try {
    checked_parts(*dataset);
  } catch (const Error& error) {
    require(false, error.what());
  }
}

}  // namespace

const std::vector<Check<DatasetSubject>>& dataset_checks() {
  static const std::vector<Check<DatasetSubject>> checks = {
      {"spec_is_complete", "policies are built from it", spec_is_complete},
      {"rows_fit_the_spec", "training windows are cut from the rows", rows_fit_the_spec},
      {"frames_fit_the_spec", "backbones are built for the frames' size", frames_fit_the_spec},
      {"strings_fit_the_spec", "language-conditioned policies read them", strings_fit_the_spec},
      {"mapped_frames_equal_decoded_frames", "training uses mapped frames without decoding them",
       mapped_frames_equal_decoded_frames},
      {"reading_twice_gives_the_same", "caches and resumed runs rely on the order",
       reading_twice_gives_the_same},
      {"threads_may_read_at_once", "batches are prepared in parallel", threads_may_read_at_once},
      {"missing_streams_and_rows_are_refused", "a wrong index must not read unrelated memory",
       missing_streams_and_rows_are_refused},
      {"parts_hold_each_episode_once", "windows are divided between the parts by their weights",
       parts_hold_each_episode_once},
  };
  return checks;
}

}  // namespace roboimi::testing
