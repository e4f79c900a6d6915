// Functions that connect the processes of one training and check that they agree on the
// configuration.
#pragma once

#include <memory>
#include <string>

#include "roboimi/config/schema.h"
#include "roboimi/contract/communicator.h"

namespace roboimi {

// Creates the experiment's `communicator`, or a SingleProcess if it has none. From then on, ranks
// other than 0 log only warnings and errors.
std::shared_ptr<Communicator> join_processes(const Options& experiment);

// Throws Error in all processes unless they have the same configuration. Collective.
void require_same_configuration(const std::string& yaml, Communicator& communicator);

// Warns if one of several processes is bound to fewer cores than it has threads.
void warn_of_few_cores(const Communicator& communicator);

}  // namespace roboimi
