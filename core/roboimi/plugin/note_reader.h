// A reader that finds a plugin's note in the bytes of a file.
//
//   MappedFile file("libmy_backbone.so");
//   Error::Parts problem;
//   auto content = find_plugin_note({file.data(), file.size()}, problem);
//
// It never reads outside `file`, trusts no offset, size or count in it and takes linear time, so it
// is safe for damaged and hostile files. It supports little-endian ELF64.
#pragma once

#include <optional>

#include "roboimi/common/error.h"
#include "roboimi/common/export.h"
#include "roboimi/plugin/elf_view.h"

namespace roboimi {

// The content of the first note whose owner is "roboimi", as a view into `file`. Empty if `file` is
// not a shared library for this machine, if a segment extends beyond the end of the file (opening
// such a file would crash the process), or if there is no such note; then sets `problem`.
ROBOIMI_EXPORT std::optional<elf::Bytes> find_plugin_note(elf::Bytes file, Error::Parts& problem);
// The same for a valid shared library; empty if there is no such note.
std::optional<elf::Bytes> find_plugin_note(const elf::View& view);

}  // namespace roboimi
