// Inputs and comparisons that the checks share. Not installed API.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <string>

#include "roboimi/contract/agent.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi::testing {

// Cameras r_vis, top and front of 72 x 96 pixels; states and actions are left to the caller.
ObservationSpec three_cameras();

// Every stream of `spec`, [batch, steps, ...], random.
Observation random_streams(const ObservationSpec& spec, std::int64_t batch, std::int64_t steps,
                           std::uint64_t seed = 1);
// One control step's, and a velocity.
Observation random_observation(const ObservationSpec& spec, std::uint64_t seed);

// The largest difference of two tensors over the largest magnitude in `expected`, at least 1.
double relative_difference(const at::Tensor& found, const at::Tensor& expected);

// Fails unless the default CPU generator is as it was after `call`.
void require_default_generator_untouched(const std::string& what,
                                         const std::function<void()>& call);

// Copies of a module's parameters and buffers.
TensorMap cloned_tensors(const torch::nn::Module& module);

// Parameters and buffers of one module into another made by the same factory; fails when names,
// shapes or types differ.
void copy_tensors(const torch::nn::Module& from, torch::nn::Module& to);
// The same through a file, as a checkpoint does it.
void copy_through_file(const torch::nn::Module& from, torch::nn::Module& to);

// Adds a little to every floating parameter, so that equality afterwards comes from loading.
void perturb(torch::nn::Module& module);

// Fails when `call` leaves more behind after its 200th time than after its 20th.
void require_no_growth(const std::string& what, const std::function<void()>& call);

// Fails unless the loss is one finite number, and every metric one detached number.
void require_one_number(const LossReport& report);

// Fails unless backward() of `loss` gave every parameter that asks for one a finite gradient.
void require_gradients(const torch::nn::Module& module, const at::Tensor& loss);

}  // namespace roboimi::testing
