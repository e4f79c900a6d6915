// The tables of an episode: their names in ACT's layout, and checks of their rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/hdf5_dataset/hdf5_file.h"
#include "roboimi/contract/observation.h"

namespace roboimi::hdf5_dataset {

inline constexpr char kQpos[] = "/observations/qpos";
inline constexpr char kQvel[] = "/observations/qvel";
inline constexpr char kAction[] = "/action";
inline constexpr char kImages[] = "/observations/images";
inline constexpr char kLabels[] = "/observations/labels";

// The shape [L, D] of a table of numbers; Error for anything else.
std::vector<std::int64_t> table_shape(const Hdf5File& file, const std::string& name);

// Numbers a row of a table that has a row for each state; Error otherwise, with `next` as what to
// do about it.
std::int64_t table_width(const Hdf5File& file, const std::string& name, std::int64_t num_rows,
                         const std::string& next);

// "/observations/NAME", where a further stream is stored.
std::string stream_table(const std::string& name);
// What is stored there, by its type and rank. Error for what no stream can be, or another number of
// rows.
StreamSpec stored_stream(const Hdf5File& file, const std::string& name, std::int64_t num_rows);

// Where the privileged state is; empty when the episode has none.
std::string env_state_name(const Hdf5File& file);

// Whether there are velocities with a row for each state. They are of the layout, but not read.
bool has_velocities(const Hdf5File& file, std::int64_t num_rows);

}  // namespace roboimi::hdf5_dataset
