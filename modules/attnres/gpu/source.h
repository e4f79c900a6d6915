// The source code of kernels.cu and of the header that it includes, for NVRTC.
#pragma once

namespace roboimi::attnres::gpu {

extern const char* const kKernelsSource;
extern const char* const kArgumentsSource;
inline constexpr const char* kArgumentsName = "modules/attnres/gpu/arguments.h";

}  // namespace roboimi::attnres::gpu
