#include "plugins/hdf5_dataset/hdf5_episode_writer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <vector>

#include "plugins/hdf5_dataset/episode_tables.h"
#include "plugins/hdf5_dataset/hdf5_file.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/io/image.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMemoryStep = 16 << 20;  // bytes by which the file in memory grows

// An HDF5 file that exists in memory only. Hold Hdf5Lock for every call.
class MemoryFile {
 public:
  MemoryFile() {
    const Hdf5Lock lock;
    const Handle access(checked(H5Pcreate(H5P_FILE_ACCESS)));
    checked(H5Pset_fapl_core(access.get(), kMemoryStep, /*backing_store=*/false));
    const Handle creation(checked(H5Pcreate(H5P_FILE_CREATE)));
    checked(H5Pset_obj_track_times(creation.get(), false));
    file_ = Handle(checked(H5Fcreate("episode", H5F_ACC_TRUNC, creation.get(), access.get())));
  }

  ~MemoryFile() {
    const Hdf5Lock lock;
    file_ = Handle();
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void group(const char* name) {
    const Handle creation(checked(H5Pcreate(H5P_GROUP_CREATE)));
    checked(H5Pset_obj_track_times(creation.get(), false));
    Handle(checked(H5Gcreate2(file_.get(), name, H5P_DEFAULT, creation.get(), H5P_DEFAULT)));
  }

  // Stored in chunks of `chunk_rows` rows if > 0.
  void table(const std::string& name, const at::Tensor& values, hsize_t chunk_rows = 0) {
    const at::Tensor data = values.contiguous();
    const hid_t type = data.scalar_type() == at::kByte     ? H5T_NATIVE_UINT8
                       : data.scalar_type() == at::kUInt16 ? H5T_NATIVE_UINT16
                                                           : H5T_NATIVE_FLOAT;
    std::vector<hsize_t> sizes(data.sizes().begin(), data.sizes().end());
    const int rank = static_cast<int>(sizes.size());
    const Handle space(checked(H5Screate_simple(rank, sizes.data(), nullptr)));
    const Handle creation(checked(H5Pcreate(H5P_DATASET_CREATE)));
    // Time stamps would make two files of the same record differ.
    checked(H5Pset_obj_track_times(creation.get(), false));
    if (chunk_rows > 0) {
      sizes[0] = chunk_rows;
      checked(H5Pset_chunk(creation.get(), rank, sizes.data()));
    }
    const Handle dataset(checked(H5Dcreate2(file_.get(), name.c_str(), type, space.get(),
                                            H5P_DEFAULT, creation.get(), H5P_DEFAULT)));
    checked(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.const_data_ptr()));
  }

  void attribute(const char* name, hid_t type, const void* value) {
    const Handle space(checked(H5Screate(H5S_SCALAR)));
    const Handle attribute(
        checked(H5Acreate2(file_.get(), name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT)));
    checked(H5Awrite(attribute.get(), type, value));
  }

  // A bool as h5py writes it: an enumeration of int8.
  void flag(const char* name, bool value) {
    const Handle type(checked(H5Tenum_create(H5T_NATIVE_INT8)));
    for (const std::int8_t member : {std::int8_t{0}, std::int8_t{1}}) {
      checked(H5Tenum_insert(type.get(), member != 0 ? "TRUE" : "FALSE", &member));
    }
    const std::int8_t number = value ? 1 : 0;
    attribute(name, type.get(), &number);
  }

  // The file's bytes, without a copy; valid until the file changes.
  std::string_view bytes() const {
    checked(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL));
    const ssize_t size = checked(H5Fget_file_image(file_.get(), nullptr, 0));
    void* memory = nullptr;  // points to the driver's pointer to its memory
    checked(H5Fget_vfd_handle(file_.get(), H5P_DEFAULT, &memory));
    return {*static_cast<char**>(memory), static_cast<std::size_t>(size)};
  }

 private:
  template <typename Result>
  static Result checked(Result result) {
    if (result < 0) throw Error("HDF5 cannot build the episode: " + last_hdf5_message());
    return result;
  }

  Handle file_;
};

// Encodes frames [L, H, W, 3] as JPEG: uint8 [L, longest], padded with zeros. As in OpenCV, the
// bytes of a pixel are interpreted as blue, green, red.
at::Tensor compress(const at::Tensor& frames, int quality) {
  std::vector<std::vector<std::uint8_t>> rows(static_cast<std::size_t>(frames.size(0)));
  at::parallel_for(0, frames.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      rows[static_cast<std::size_t>(i)] = encode_jpeg(frames[i].flip(2).contiguous(), quality);
    }
  });
  std::size_t longest = 0;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  const at::Tensor padded =
      at::zeros({frames.size(0), static_cast<std::int64_t>(longest)}, at::kByte);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy(rows[i].begin(), rows[i].end(), padded.data_ptr<std::uint8_t>() + i * longest);
  }
  return padded;
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
    if (stream.kind == StreamKind::kVector || stream.kind == StreamKind::kText) {
      require_rows(describe(stream), values);
      continue;
    }
    std::vector<std::int64_t> shape = {state.size(0)};
    shape.insert(shape.end(), stream.shape.begin(), stream.shape.end());
    require(values.defined() && values.scalar_type() == stream.dtype && values.sizes() == shape,
            describe(stream),
            fmt::format("{} [{}]", c10::toString(stream.dtype), fmt::join(shape, ", ")),
            shown(values));
    // The dtype of stored depth implies its unit.
    const char* unit = stream.dtype == at::kUInt16 ? "mm" : "m";
    require(stream.kind == StreamKind::kRgb || stream.unit == unit, describe(stream),
            fmt::format("{} in {}", c10::toString(stream.dtype), unit), "in " + stream.unit);
  }
}

// Writes everything but the frames from `record`, and the frames from `images`.
void fill(MemoryFile& memory, const EpisodeRecord& record, const Observation& images,
          bool has_jpegs) {
  memory.flag("sim", true);
  if (has_jpegs) memory.flag("compress", true);
  if (record.seed) memory.attribute("seed", H5T_NATIVE_UINT64, &*record.seed);
  if (record.success) memory.flag("success", *record.success);
  memory.attribute("control_hz", H5T_NATIVE_DOUBLE, &record.control_hz);
  memory.group("/observations");
  memory.group("/observations/images");
  const at::Tensor state = record.observations.state().to(at::kFloat);
  const at::Tensor velocity = record.observations.velocity();
  memory.table(kQpos, state);
  memory.table(kQvel, velocity.defined() ? velocity.to(at::kFloat) : at::zeros_like(state));
  for (const StreamSpec& stream : record.streams) {
    const bool has_place = stream.name == roboimi::kState || stream.name == roboimi::kVelocity;
    if (has_place || stream.kind == StreamKind::kRgb) continue;
    // Vectors are stored as float32, the only dtype of vectors that datasets return.
    const at::ScalarType dtype = stream.kind == StreamKind::kVector ? at::kFloat : stream.dtype;
    memory.table(stream_table(stream.name), record.observations.at(stream.name).to(dtype),
                 /*chunk_rows=*/stream.is_image() ? 1 : 0);
  }
  if (!record.labels.empty()) memory.group("/observations/labels");
  for (const auto& [name, values] : record.labels) {
    memory.table("/observations/labels/" + name, values.to(at::kFloat));
  }
  memory.table("/action", record.actions.to(at::kFloat));
  for (const auto& [camera, frames] : images) {
    memory.table("/observations/images/" + camera, frames, /*chunk_rows=*/1);
  }
}

}  // namespace

fs::path Hdf5EpisodeWriter::file_of(const fs::path& folder, std::int64_t index) const {
  return folder / fmt::format("episode_{}.hdf5", index);
}

void Hdf5EpisodeWriter::write(const fs::path& file, const EpisodeRecord& record) const {
  check(file, record);

  // JPEG encoding runs before the library's lock is taken.
  const bool is_compressed = options_.compress == Compression::kJpeg;
  Observation images;
  for (const StreamSpec& stream : record.streams) {
    if (stream.kind != StreamKind::kRgb) continue;
    const at::Tensor& frames = record.observations.at(stream.name);
    images[stream.name] = is_compressed ? compress(frames, options_.quality) : frames;
  }

  // Builds the file in memory; the library's lock is not held while the disk is written.
  MemoryFile memory;
  std::string_view bytes;
  {
    const Hdf5Lock lock;
    fill(memory, record, images, is_compressed);
    bytes = memory.bytes();
  }
  write_text_atomically(file, bytes);
}

EpisodeHeader Hdf5EpisodeWriter::read_header(const fs::path& path) const {
  const Hdf5File file(path);
  return {.seed = file.integer_attribute("seed").value,
          .success = file.boolean_attribute("success").value};
}

}  // namespace roboimi::hdf5_dataset
