// Streams that a user adds to the observations of `roboimi plugins check`, because a component
// reads a stream that the conformance kit does not have. Written in the file of --config:
//
//   streams:
//     wrench: {kind: vector, shape: [6], unit: N}
//     side_depth: {kind: depth, shape: [48, 64], dtype: uint16}
//
// or on the command line: --stream wrench=vector:6 --stream side_depth=depth:48x64:uint16
#pragma once

#include <string>
#include <vector>

#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/observation.h"

namespace roboimi::app {

// Reads NAME=KIND[:SHAPE[:DTYPE]]. SHAPE and DTYPE have defaults for each kind: an image of 72x96
// pixels, float32 meters for depth, a vector of 6 elements, a string of 32 bytes. Throws Error for
// anything else.
StreamSpec stream_of(const std::string& words);

// Takes the table `streams` out of a component's options and reads it; empty without one. A
// component that has an option `streams` keeps it. Throws Error, with its place in the file, for a
// wrong entry.
std::vector<StreamSpec> take_streams(ConfigNode& options, const Schema& schema);

}  // namespace roboimi::app
