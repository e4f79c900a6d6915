#include "plugins/hdf5_dataset/episode_tables.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <utility>

#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {
namespace {

// The error for a dataset that is absent, with what to do about it.
void require_dataset(const Hdf5File& file, const std::string& name) {
  try {
    file.shape(name);
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    if (parts.next.empty()) {
      parts.next = fmt::format(
          "if the values have another name, rename them (h5py: file.move(OLD, '{}')), or record "
          "the episode again",
          name);
    }
    throw Error(std::move(parts));
  }
}

}  // namespace

at::Tensor as_table(const at::Tensor& rows) { return rows.dim() == 1 ? rows.unsqueeze(1) : rows; }

std::vector<std::int64_t> table_shape(const Hdf5File& file, const std::string& name) {
  require_dataset(file, name);
  file.check_readable(name);
  std::vector<std::int64_t> shape = file.shape(name);
  if (shape.size() == 1) shape.push_back(1);
  if (shape.size() != 2 || shape[1] == 0 || !is_numeric(file.type(name).kind)) {
    throw Error({.what = "'" + name + "' is not a numeric table",
                 .where = file.path().string(),
                 .expected = "booleans, integers or floats [rows] or [rows, columns]",
                 .found = file.describe(name),
                 .next = "store one row of numbers per time step"});
  }
  return shape;
}

std::int64_t table_width(const Hdf5File& file, const std::string& name, std::int64_t num_rows,
                         const std::string& next) {
  const std::vector<std::int64_t> shape = table_shape(file, name);
  if (shape[0] == num_rows) return shape[1];
  throw Error({.what = fmt::format("'{}' and '{}' have different numbers of rows", name, kQpos),
               .where = file.path().string(),
               .expected = fmt::format("{} rows", num_rows),
               .found = std::to_string(shape[0]),
               .next = next});
}

std::string stream_table(const std::string& name) { return "/observations/" + name; }

StreamSpec stored_stream(const Hdf5File& file, const std::string& name, std::int64_t num_rows) {
  const std::string table = stream_table(name);
  file.check_readable(table);
  const ElementType type = file.type(table);
  const std::vector<std::int64_t> shape = file.shape(table);

  // Rank 3 is depth, two dimensions of bytes are text, any other two dimensions are a vector.
  const bool fits = !shape.empty() && shape[0] == num_rows;
  if (fits && shape.size() == 3 && type.name == "uint16") {
    return depth_stream(name, {shape[1], shape[2]}, at::kUInt16, "mm");
  }
  if (fits && shape.size() == 3 && type.name.starts_with("float")) {
    return depth_stream(name, {shape[1], shape[2]});
  }
  if (fits && shape.size() == 2 && type.kind == ElementKind::kUint8) {
    return text_stream(name, shape[1]);
  }
  const bool is_number = type.kind == ElementKind::kNumber || type.kind == ElementKind::kBool;
  if (fits && shape.size() == 2 && is_number) return vector_stream(name, shape[1]);
  if (fits && shape.size() == 1 && is_numeric(type.kind)) return vector_stream(name, 1);
  throw Error(
      {.what = fmt::format("'{}' is not a stream", table),
       .where = file.path().string(),
       .expected = fmt::format("depth [{0}, H, W] as uint16 (millimeters) or float "
                               "(meters), vectors [{0}] or [{0}, n], or text as uint8 [{0}, bytes]",
                               num_rows),
       .found = file.describe(table),
       .next = "remove it from data.stream_names, or record it in that form"});
}

bool is_text(const Hdf5File& file, const std::string& name, std::int64_t num_rows) {
  const std::string table = stream_table(name);
  if (!file.is_dataset(table) || file.type(table).kind != ElementKind::kUint8) return false;
  const std::vector<std::int64_t> shape = file.shape(table);
  return shape.size() == 2 && shape[0] == num_rows && shape[1] > 0;
}

std::string env_state_name(const Hdf5File& file) {
  for (const char* name : {"/observations/env_state", "/env_state"}) {
    if (file.has(name)) return name;
  }
  return "";
}

bool has_velocities(const Hdf5File& file, std::int64_t num_rows) {
  if (!file.is_dataset(kQvel)) return false;
  const std::vector<std::int64_t> shape = file.shape(kQvel);
  return !shape.empty() && shape[0] == num_rows;
}

}  // namespace roboimi::hdf5_dataset
