// The named weights in what a pickle holds.
#pragma once

#include <filesystem>
#include <string>

#include "roboimi/io/checkpoint_file.h"
#include "roboimi/io/pickle_graph.h"

namespace roboimi {

// Fills everything of a CheckpointFile but the hash; `state_dict` as in read_checkpoint_file().
// Error: modules without end, too many tensors, no such state_dict.
CheckpointFile weights_in(const PickleGraph& graph, const std::string& state_dict,
                          const std::filesystem::path& path);

// Leaves the tensors whose names start with `start` and a dot, without it; false when there is
// none.
bool keep_under(CheckpointFile& file, const std::string& start);

// The Error for a `state_dict` that a file does not have.
[[noreturn]] void fail_state_dict(const CheckpointFile& file, const std::string& state_dict,
                                  const std::filesystem::path& path);

}  // namespace roboimi
