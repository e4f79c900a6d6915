#include "plugins/hdf5_dataset/hdf5_episode_writer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "plugins/hdf5_dataset/episode_tables.h"
#include "plugins/hdf5_dataset/hdf5_file.h"
#include "plugins/hdf5_dataset/new_hdf5_file.h"
#include "plugins/hdf5_dataset/stream_labels.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/io/image.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRowsAtOnce = 32;  // images in memory
// An attribute has at most 64 KiB, of which each string takes 16 bytes.
constexpr std::int64_t kMostNames = 4000;

using Jpegs = std::vector<std::vector<std::uint8_t>>;

// Calls `use` with the first row and the images of consecutive blocks of the episode.
void for_each_block(const EpisodeRecord& record, const StreamSpec& stream,
                    const std::function<void(std::int64_t first, const at::Tensor& images)>& use) {
  const std::int64_t length = record.actions.size(0);
  for (std::int64_t first = 0; first < length; first += kRowsAtOnce) {
    use(first, record.images(stream, first, std::min(kRowsAtOnce, length - first)));
  }
}

// The frames as JPEG. As in OpenCV, the bytes of a pixel are interpreted as blue, green, red.
Jpegs encode(const EpisodeRecord& record, const StreamSpec& camera, int quality) {
  Jpegs jpegs(static_cast<std::size_t>(record.actions.size(0)));
  for_each_block(record, camera, [&](std::int64_t first, const at::Tensor& frames) {
    at::parallel_for(0, frames.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        jpegs[static_cast<std::size_t>(first + i)] =
            encode_jpeg(frames[i].flip(2).contiguous(), quality);
      }
    });
  });
  return jpegs;
}

std::string shown(const at::Tensor& tensor) {
  return tensor.defined() ? c10::str(tensor.scalar_type(), " ", tensor.sizes()) : "nothing";
}

std::string describe(const StreamSpec& stream) {
  if (stream.name == roboimi::kVelocity) return "the velocity";
  if (stream.name == roboimi::kEnvState) return "env_state";
  return fmt::format("{} '{}'", stream.is_image() ? "camera" : "the stream", stream.name);
}

// Checks the record's shapes and dtypes, since it may come from a third-party environment.
void check(const fs::path& file, const EpisodeRecord& record) {
  const auto require = [&](bool fits, const std::string& what, const std::string& expected,
                           const std::string& found) {
    if (fits) return;
    throw Error({.what = what + " cannot be written as an episode",
                 .where = file.string(),
                 .expected = expected,
                 .found = found,
                 .next = "fix the environment that produces it"});
  };

  // One row per state, everywhere.
  const at::Tensor state = record.observations.state();
  if (!state.defined()) {
    throw Error({.what = "the episode has no state",
                 .where = file.string(),
                 .expected = "the stream 'state', which ACT's layout needs",
                 .next = "name the features that make it up, or write LeRobot data, which need no "
                         "state: convert --to lerobot, collect writer=lerobot"});
  }
  require(state.defined() && state.dim() == 2, "the state", "a table [L, S]", shown(state));
  const auto require_rows = [&](const std::string& what, const at::Tensor& values) {
    require(values.defined() && values.dim() == 2 && values.size(0) == state.size(0), what,
            fmt::format("a table [{}, N]", state.size(0)), shown(values));
  };
  require_rows("the action", record.actions);
  for (const auto& [name, values] : record.labels) require_rows("label '" + name + "'", values);

  // Streams must have their declared shape, dtype and unit.
  for (const StreamSpec& stream : record.streams) {
    if (stream.name.find('/') != std::string::npos) {
      throw Error({.what = describe(stream) + " cannot be written as an episode",
                   .where = file.string(),
                   .expected = "a name without '/', which separates groups in HDF5",
                   .next = "rename it in its dataset, or leave it out"});
    }
    const at::Tensor values = record.observations.get(stream.name);
    if (!stream.is_image()) {
      require_rows(describe(stream), values);
      continue;
    }
    const bool is_read_later = !values.defined() && record.read_images;
    std::vector<std::int64_t> shape = {state.size(0)};
    shape.insert(shape.end(), stream.shape.begin(), stream.shape.end());
    require(
        is_read_later ||
            (values.defined() && values.scalar_type() == stream.dtype && values.sizes() == shape),
        describe(stream),
        fmt::format("{} [{}]", c10::toString(stream.dtype), fmt::join(shape, ", ")), shown(values));
    // The dtype of stored depth implies its unit.
    const char* unit = stream.dtype == at::kUInt16 ? "mm" : "m";
    require(stream.kind == StreamKind::kRgb || stream.unit == unit, describe(stream),
            fmt::format("{} in {}", c10::toString(stream.dtype), unit), "in " + stream.unit);
  }
}

std::string table_of(const StreamSpec& stream) {
  if (stream.name == roboimi::kState) return kQpos;
  if (stream.name == roboimi::kVelocity) return kQvel;
  return stream_table(stream.name);
}

// Attributes with the unit and the names of the columns.
void write_labels(NewHdf5File& file, const std::string& table, const StreamSpec& stream) {
  if (!stream.unit.empty()) file.text(table, kUnit, stream.unit);
  const auto count = std::ssize(stream.element_names);
  if (count > 0 && count <= kMostNames) file.texts(table, kNames, stream.element_names);
}

// HDF5 lists the cameras in alphabetical order, which may not be that of the record.
void write_camera_order(NewHdf5File& file, const EpisodeRecord& record) {
  std::vector<std::string> cameras;
  for (const StreamSpec& stream : record.streams) {
    if (stream.kind == StreamKind::kRgb) cameras.push_back(stream.name);
  }
  const auto count = std::ssize(cameras);
  if (count > 0 && count <= kMostNames) file.texts(kImages, kNames, cameras);
}

// Writes everything but the images.
void write_tables(NewHdf5File& file, const EpisodeRecord& record, bool has_jpegs) {
  file.flag("sim", true);
  if (has_jpegs) file.flag("compress", true);
  if (record.seed) file.number("seed", *record.seed);
  if (record.success) file.flag("success", *record.success);
  file.number("control_hz", record.control_hz);
  file.group("/observations");
  file.group(kImages);
  write_camera_order(file, record);
  const at::Tensor state = record.observations.state().to(at::kFloat);
  const at::Tensor velocity = record.observations.velocity();
  file.table(kQpos, state);
  file.table(kQvel, velocity.defined() ? velocity.to(at::kFloat) : at::zeros_like(state));
  for (const StreamSpec& stream : record.streams) {
    if (stream.is_image()) continue;
    const std::string table = table_of(stream);
    const bool has_place = stream.name == roboimi::kState || stream.name == roboimi::kVelocity;
    if (!has_place) {
      // Vectors are stored as float32, the only dtype of vectors that datasets return.
      const at::ScalarType dtype = stream.kind == StreamKind::kVector ? at::kFloat : stream.dtype;
      file.table(table, record.observations.at(stream.name).to(dtype));
    }
    if (stream.kind == StreamKind::kVector) write_labels(file, table, stream);
  }
  if (!record.labels.empty()) file.group(kLabels);
  for (const auto& [name, values] : record.labels) {
    file.table(kLabels + ("/" + name), values.to(at::kFloat));
  }
  file.table(kAction, record.actions.to(at::kFloat));
}

std::string image_table_of(const StreamSpec& stream) {
  return stream.kind == StreamKind::kRgb ? kImages + ("/" + stream.name)
                                         : stream_table(stream.name);
}

void write_images(NewHdf5File& file, const EpisodeRecord& record, const StreamSpec& stream) {
  std::vector<std::int64_t> shape = {record.actions.size(0)};
  shape.insert(shape.end(), stream.shape.begin(), stream.shape.end());
  const std::string table = image_table_of(stream);
  file.add_image_table(table, stream.dtype, shape);
  for_each_block(record, stream, [&](std::int64_t first, const at::Tensor& images) {
    file.write_rows(table, first, images);
  });
}

// Writes a table uint8 [L, longest] of JPEGs padded with zeros.
void write_jpegs(NewHdf5File& file, const StreamSpec& camera, const Jpegs& jpegs) {
  std::size_t longest = 0;
  for (const auto& jpeg : jpegs) longest = std::max(longest, jpeg.size());
  const auto length = std::ssize(jpegs);
  const std::string table = image_table_of(camera);
  file.add_image_table(table, at::kByte, {length, static_cast<std::int64_t>(longest)});
  at::Tensor row = at::empty({1, static_cast<std::int64_t>(longest)}, at::kByte);
  for (std::int64_t i = 0; i < length; ++i) {
    const auto& jpeg = jpegs[static_cast<std::size_t>(i)];
    row.zero_();
    std::copy(jpeg.begin(), jpeg.end(), row.data_ptr<std::uint8_t>());
    file.write_rows(table, i, row);
  }
}

}  // namespace

fs::path Hdf5EpisodeWriter::file_of(const fs::path& folder, std::int64_t index) const {
  return folder / fmt::format("episode_{}.hdf5", index);
}

void Hdf5EpisodeWriter::write(const fs::path& path, const EpisodeRecord& record) const {
  check(path, record);
  // Images are read and encoded without the library's lock.
  const bool is_compressed = options_.compress == Compression::kJpeg;
  write_file_atomically(path, [&](const fs::path& temporary) {
    NewHdf5File file(temporary, path);
    write_tables(file, record, is_compressed);
    for (const StreamSpec& stream : record.streams) {
      if (!stream.is_image()) continue;
      if (stream.kind == StreamKind::kRgb && is_compressed) {
        write_jpegs(file, stream, encode(record, stream, options_.quality));
      } else {
        write_images(file, record, stream);
      }
    }
    file.finish();
  });
}

EpisodeHeader Hdf5EpisodeWriter::read_header(const fs::path& path) const {
  const Hdf5File file(path);
  return {.seed = file.integer_attribute("seed").value,
          .success = file.boolean_attribute("success").value};
}

}  // namespace roboimi::hdf5_dataset
