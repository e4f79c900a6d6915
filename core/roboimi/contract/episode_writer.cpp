#include "roboimi/contract/episode_writer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "roboimi/common/error.h"

namespace roboimi {

at::Tensor EpisodeRecord::images(const StreamSpec& stream, std::int64_t first,
                                 std::int64_t count) const {
  const at::Tensor all = observations.get(stream.name);
  at::Tensor rows;
  if (all.defined() && all.dim() > 0) {
    rows = all.slice(0, first, first + count);
  } else if (!all.defined() && read_images) {
    rows = read_images(stream, first, count);
  }
  std::vector<std::int64_t> shape = {count};
  shape.insert(shape.end(), stream.shape.begin(), stream.shape.end());
  if (rows.defined() && rows.scalar_type() == stream.dtype && rows.sizes() == shape) return rows;
  throw Error(
      {.what = fmt::format("the episode does not have the images of '{}' as declared", stream.name),
       .where = fmt::format("rows {} to {}", first, first + count - 1),
       .expected = fmt::format("{} [{}]", c10::toString(stream.dtype), fmt::join(shape, ", ")),
       .found = rows.defined() ? c10::str(rows.scalar_type(), " ", rows.sizes()) : "nothing",
       .next = "fix the environment or dataset that produces them"});
}

EpisodeWriter::~EpisodeWriter() = default;

void EpisodeWriter::place(const std::filesystem::path& written, const std::filesystem::path& folder,
                          std::int64_t index) const {
  std::filesystem::rename(written, file_of(folder, index));
}

}  // namespace roboimi
