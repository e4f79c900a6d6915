#include "roboimi/model/weights_follow.h"

namespace roboimi {
namespace {

thread_local int depth = 0;

}  // namespace

WeightsFollow::WeightsFollow() { ++depth; }

WeightsFollow::~WeightsFollow() { --depth; }

bool WeightsFollow::active() { return depth > 0; }

}  // namespace roboimi
