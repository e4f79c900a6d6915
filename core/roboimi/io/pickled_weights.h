// Extraction of named weights from the contents of a pickle.
#pragma once

#include <filesystem>
#include <string>

#include "roboimi/io/checkpoint_file.h"
#include "roboimi/io/pickle_graph.h"

namespace roboimi {

// Fills all fields of a CheckpointFile except the hash; `state_dict` as in read_checkpoint_file().
// Throws Error for endlessly nested modules, too many tensors, or a missing `state_dict`.
CheckpointFile weights_in(const PickleGraph& graph, const std::string& state_dict,
                          const std::filesystem::path& path);

// Keeps only the tensors whose names start with `start` and a dot, and removes this prefix. Returns
// false and changes nothing if there are none.
bool keep_under(CheckpointFile& file, const std::string& start);

// Throws the Error for a `state_dict` that the file does not have.
[[noreturn]] void fail_state_dict(const CheckpointFile& file, const std::string& state_dict,
                                  const std::filesystem::path& path);

}  // namespace roboimi
