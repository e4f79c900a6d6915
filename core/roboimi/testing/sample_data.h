// Sample inputs and comparisons shared by the checks. Internal; not installed.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <string>

#include "roboimi/contract/agent.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi::testing {

// Cameras r_vis, top and front of 72 x 96 pixels, the depth of each (r_vis_depth, ...; float32, in
// meters), and a text "task" of 32 bytes. The caller adds states and actions.
ObservationSpec sample_streams();

// Random values for every stream of `spec`, [batch, steps, ...].
Observation random_streams(const ObservationSpec& spec, std::int64_t batch, std::int64_t steps,
                           std::uint64_t seed = 1);
// A random observation of one control step, with a velocity.
Observation random_observation(const ObservationSpec& spec, std::uint64_t seed);

// The largest difference of two tensors over the largest magnitude in `expected`, at least 1.
double relative_difference(const at::Tensor& found, const at::Tensor& expected);

// Fails if `call` changes the state of the default CPU generator.
void require_default_generator_untouched(const std::string& what,
                                         const std::function<void()>& call);

// Copies of a module's parameters and buffers.
TensorMap cloned_tensors(const torch::nn::Module& module);

// Copies parameters and buffers to another module from the same factory; fails if names, shapes or
// dtypes differ.
void copy_tensors(const torch::nn::Module& from, torch::nn::Module& to);
// The same through a file, like a checkpoint.
void copy_through_file(const torch::nn::Module& from, torch::nn::Module& to);

// Adds a constant to every floating-point parameter, so that later equality must come from loading.
void perturb(torch::nn::Module& module);

// Fails if more tensor memory is in use after 200 calls than after 20.
void require_no_growth(const std::string& what, const std::function<void()>& call);

// Fails unless the loss is one finite scalar and every metric is a detached scalar.
void require_one_number(const LossReport& report);

// Fails unless backward() of `loss` gives a finite gradient to every parameter with requires_grad.
void require_gradients(const torch::nn::Module& module, const at::Tensor& loss);

}  // namespace roboimi::testing
