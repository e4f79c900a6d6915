// A counter of the bytes that libtorch's CPU allocator has allocated and not yet freed.
//
//   LiveBytes live;
//   call();
//   live.count();   // bytes that call() allocated and did not free
//
// While a LiveBytes is alive, it replaces the process's CPU allocator with one that counts and
// forwards. Earlier memory may be freed at any time. Only one may exist at a time.
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

  // Bytes allocated since construction and not freed.
  std::int64_t count() const;
};

}  // namespace roboimi::testing
