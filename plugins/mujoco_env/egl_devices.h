// The order in which the EGL devices of a machine are tried for rendering.
#pragma once

#include <optional>
#include <vector>

namespace roboimi::mujoco_env {

struct EglDevice {
  void* handle = nullptr;                // EGLDeviceEXT
  std::optional<int> cuda_ordinal = {};  // of an NVIDIA GPU, from EGL_NV_device_cuda
  bool is_software = false;              // Mesa's software device
};

// Indices into `devices`, the preferred one first: the one that `chosen` names, and no other, if it
// is given (the value of MUJOCO_EGL_DEVICE_ID); else GPUs by their CUDA ordinal, which puts the one
// that `device: cuda` uses first, then other GPUs, then software devices. Throws Error if `chosen`
// is not an index.
std::vector<int> devices_to_try(const std::vector<EglDevice>& devices, const char* chosen);

}  // namespace roboimi::mujoco_env
