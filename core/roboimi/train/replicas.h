// The copies of one agent that several processes train. They start equal, and equal gradients keep
// them so; here is what brings them together and what finds out when they have parted.
#pragma once

#include <torch/nn/module.h>

#include <string>

#include "roboimi/contract/agent.h"
#include "roboimi/contract/communicator.h"
#include "roboimi/train/flat_parameters.h"

namespace roboimi {

// Rank 0's parameters and buffers to everyone. Collective.
void share_state(const torch::nn::Module& module, Communicator& communicator);

// Rank 0's buffers to everyone: each process moved its own (BatchNorm's statistics) by its own
// batches, and rank 0's are those that a checkpoint holds. Collective.
void share_buffers(const torch::nn::Module& module, Communicator& communicator);

// Error in every process unless the trained parameters are the same in all, by a checksum of their
// bits. `where` says when that was. Collective.
void require_same_parameters(const FlatParameters& parameters, Communicator& communicator,
                             const std::string& where);

// While it lives, the agent's losses are of this process alone: what one process measures is no
// business of the others.
class MeasuringAlone {
 public:
  MeasuringAlone(Agent& agent, Communicator& communicator);
  ~MeasuringAlone();
  MeasuringAlone(const MeasuringAlone&) = delete;
  MeasuringAlone& operator=(const MeasuringAlone&) = delete;

 private:
  Agent& agent_;
  Communicator& communicator_;
  SingleProcess alone_;
};

}  // namespace roboimi
