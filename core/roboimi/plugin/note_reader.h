// Finds a plugin's note in the bytes of a file, whatever those bytes are.
//
//   MappedFile file("libmy_backbone.so");
//   Error::Parts problem;
//   auto content = find_plugin_note({file.data(), file.size()}, problem);
//
// A pure function: it reads nothing outside `file`, trusts no offset, size or count in it, takes
// time linear in its size, and so may be given hostile files. It understands ELF64, little-endian.
#pragma once

#include <optional>

#include "roboimi/common/error.h"
#include "roboimi/common/export.h"
#include "roboimi/plugin/elf_view.h"

namespace roboimi {

// A view into `file` of the content of the first note whose owner is "roboimi". Empty when this is
// no shared library for this machine, when a segment reaches beyond the end (such a file would
// kill the process that opens it), or when there is no such note; `problem` then says which.
ROBOIMI_EXPORT std::optional<elf::Bytes> find_plugin_note(elf::Bytes file, Error::Parts& problem);
// The same of a file that is known to be a shared library; empty when there is no such note.
std::optional<elf::Bytes> find_plugin_note(const elf::View& view);

}  // namespace roboimi
