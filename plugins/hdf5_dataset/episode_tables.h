// The tables of an episode in ACT's layout: their names, and checks of their shapes.
#pragma once

#include <ATen/core/Tensor.h>

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
inline constexpr char kTask[] = "task";  // the stream of the instruction
inline constexpr char kLabels[] = "/observations/labels";

// The shape [L, D] of a numeric table; a dataset [L] has one column. Throws Error for anything
// else.
std::vector<std::int64_t> table_shape(const Hdf5File& file, const std::string& name);

// Rows [L, D], from rows [L] of a table with one column.
at::Tensor as_table(const at::Tensor& rows);

// The number of columns of a table that must have one row per state. Error otherwise, with `next`
// as the suggested fix.
std::int64_t table_width(const Hdf5File& file, const std::string& name, std::int64_t num_rows,
                         const std::string& next);

// "/observations/NAME", the dataset of an additional stream.
std::string stream_table(const std::string& name);
// The stream that is stored there, inferred from its dtype and rank. Throws Error for an
// unsupported dtype or shape, or a different number of rows.
StreamSpec stored_stream(const Hdf5File& file, const std::string& name, std::int64_t num_rows);

// Whether the dataset of an additional stream holds one string per state.
bool is_text(const Hdf5File& file, const std::string& name, std::int64_t num_rows);

// The name of the privileged state's dataset; empty if the episode has none.
std::string env_state_name(const Hdf5File& file);

// Whether there are velocities with one row per state. They belong to the layout, but are not read.
bool has_velocities(const Hdf5File& file, std::int64_t num_rows);

}  // namespace roboimi::hdf5_dataset
