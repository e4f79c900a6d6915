// Creates the agent of a new or resumed run.
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
  TensorMap weights;  // from its newest checkpoint
};

// Creates the agent. For a resumed run:
// - sizes of parts whose weight files are missing are taken from the checkpoint's weights;
// - files are read from the run's own copies (contract/run_files.h);
// - checkpoint weights of matching shape and dtype are loaded here, because features of a frozen
//   encoder are computed before training continues. Trainer::resume() later checks that all fit.
ROBOIMI_EXPORT std::shared_ptr<Agent> create_agent_to_train(
    const ConfigNode& agent, const ObservationSpec& spec, std::uint64_t seed,
    const std::optional<ResumedRun>& resumed);

}  // namespace roboimi
