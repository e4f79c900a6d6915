// Declarations of the types that libtorch's ProcessGroupGloo.hpp names. libtorch contains gloo's
// code, but its wheels lack gloo's headers. The plugin only passes pointers to these types from one
// function of libtorch to another, and creates none of them.
#pragma once

namespace gloo::transport {

class Device;
class UnboundBuffer;

}  // namespace gloo::transport
