// Fuzzes the reader of weight files: the archive, the pickle and the walk over modules.
#include <ATen/ATen.h>

#include "roboimi/common/error.h"
#include "roboimi/io/checkpoint_file.h"
#include "tests/fuzz/io/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const roboimi::MemoryFile file(data, size);
  try {
    const auto tensors = roboimi::read_checkpoint_file(file.path()).tensors;
    for (const auto& [name, tensor] : tensors) roboimi::count_not_finite(tensor);
  } catch (const roboimi::Error&) {
  }
  return 0;
}
