// The processes of one training: joined by what the configuration says, and agreed on it.
#pragma once

#include <memory>
#include <string>

#include "roboimi/config/schema.h"
#include "roboimi/contract/communicator.h"

namespace roboimi {

// The experiment's `communicator`, or one process. Those that do not lead (rank 0 does) log
// warnings and errors alone from now on.
std::shared_ptr<Communicator> join_team(const Options& experiment);

// Error in all processes unless they were given the same configuration. Collective.
void require_same_configuration(const std::string& yaml, Communicator& communicator);

// Warns when several processes were bound to fewer cores than they have threads.
void warn_of_few_cores(const Communicator& communicator);

}  // namespace roboimi
