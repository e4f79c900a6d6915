// The agent of a run that starts, or goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "roboimi/contract/agent.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi {

// A run that is resumed.
struct ResumedRun {
  std::filesystem::path folder;
  TensorMap weights;  // of its newest checkpoint
};

// Where a run is resumed, its weights tell the sizes of parts whose files are gone, the run's own
// copies stand for files (contract/run_files.h), and weights that fit are loaded at once, because
// features of a frozen encoder are computed before training goes on. Whether all weights fit is
// checked when they are loaded to continue.
ROBOIMI_EXPORT std::shared_ptr<Agent> create_agent_to_train(
    const ConfigNode& agent, const ObservationSpec& spec, std::uint64_t seed,
    const std::optional<ResumedRun>& resumed);

}  // namespace roboimi
