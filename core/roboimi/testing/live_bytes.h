// Bytes that libtorch's CPU allocator has handed out and not got back.
//
//   LiveBytes live;
//   call();
//   live.count();   // what call() left behind
//
// While one lives, the process's CPU allocator is replaced by one that counts and forwards; memory
// that was there before may be freed during and after. One at a time.
#pragma once

#include <cstdint>

#include "roboimi/common/export.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT LiveBytes {
 public:
  LiveBytes();
  ~LiveBytes();
  LiveBytes(const LiveBytes&) = delete;
  LiveBytes& operator=(const LiveBytes&) = delete;

  // Allocated since construction and still alive.
  std::int64_t count() const;
};

}  // namespace roboimi::testing
