// Finds a plugin's note in the bytes of a file, whatever those bytes are.
//
//   MappedFile file("libmy_backbone.so");
//   Error::Parts problem;
//   auto content = find_plugin_note({file.data(), file.size()}, problem);
//
// A pure function: it reads nothing outside `file`, trusts no offset, size or count in it, takes
// time linear in its size, and so may be given hostile files. It understands ELF64, little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "roboimi/common/error.h"
#include "roboimi/common/export.h"

namespace roboimi {

// A view into `file` of the content of the first note whose owner is "roboimi". Empty when this is
// no shared library for this machine, when a segment reaches beyond the end (such a file would
// kill the process that opens it), or when there is no such note; `problem` then says which.
ROBOIMI_EXPORT std::optional<std::span<const std::uint8_t>> find_plugin_note(
    std::span<const std::uint8_t> file, Error::Parts& problem);

}  // namespace roboimi
