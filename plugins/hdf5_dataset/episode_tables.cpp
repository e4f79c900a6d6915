#include "plugins/hdf5_dataset/episode_tables.h"

#include <fmt/format.h>

#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {

std::vector<std::int64_t> table_shape(const Hdf5File& file, const std::string& name) {
  file.check_readable(name);
  const ElementKind kind = file.type(name).kind;
  std::vector<std::int64_t> shape = file.shape(name);
  const bool is_numbers =
      kind == ElementKind::kUint8 || kind == ElementKind::kInt8 || kind == ElementKind::kNumber;
  if (shape.size() != 2 || shape[1] == 0 || !is_numbers) {
    throw Error({.what = "'" + name + "' is not a table of numbers",
                 .where = file.path().string(),
                 .expected = "integers or floats [rows, numbers]",
                 .found = file.describe(name)});
  }
  return shape;
}

std::int64_t table_width(const Hdf5File& file, const std::string& name, std::int64_t num_rows,
                         const std::string& next) {
  const std::vector<std::int64_t> shape = table_shape(file, name);
  if (shape[0] == num_rows) return shape[1];
  throw Error({.what = fmt::format("'{}' has another number of rows than '{}'", name, kState),
               .where = file.path().string(),
               .expected = fmt::format("{} rows", num_rows),
               .found = std::to_string(shape[0]),
               .next = next});
}

std::string env_state_name(const Hdf5File& file) {
  for (const char* name : {"/observations/env_state", "/env_state"}) {
    if (file.has(name)) return name;
  }
  return "";
}

bool has_velocities(const Hdf5File& file, std::int64_t num_rows) {
  if (!file.is_dataset(kVelocity)) return false;
  const std::vector<std::int64_t> shape = file.shape(kVelocity);
  return !shape.empty() && shape[0] == num_rows;
}

}  // namespace roboimi::hdf5_dataset
