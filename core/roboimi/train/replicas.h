// Functions that synchronize the copies of one agent in the processes of a training, and check that
// they are still equal. The copies start equal and receive equal gradients, so they stay equal.
#pragma once

#include <torch/nn/module.h>

#include <string>

#include "roboimi/contract/agent.h"
#include "roboimi/contract/communicator.h"
#include "roboimi/train/flat_parameters.h"

namespace roboimi {

// Broadcasts rank 0's parameters and buffers to all processes. Collective.
void share_state(const torch::nn::Module& module, Communicator& communicator);

// Broadcasts rank 0's buffers to all processes. Each process updates its own (BatchNorm's
// statistics) with its own batches; a checkpoint holds those of rank 0. Collective.
void share_buffers(const torch::nn::Module& module, Communicator& communicator);

// Throws Error in every process unless the trained parameters are bit-identical in all, by
// checksum. `where` identifies the training step in the message. Collective.
void require_same_parameters(const FlatParameters& parameters, Communicator& communicator,
                             const std::string& where);

// A guard for work of one process (validation, rollouts): while it is alive, the agent's losses use
// only this process's batches, without communication.
class LocalLosses {
 public:
  LocalLosses(Agent& agent, Communicator& communicator);
  ~LocalLosses();
  LocalLosses(const LocalLosses&) = delete;
  LocalLosses& operator=(const LocalLosses&) = delete;

 private:
  Agent& agent_;
  Communicator& communicator_;
  SingleProcess single_process_;
};

}  // namespace roboimi
