// The checksum in a plugin's note. It lets the loader reject a damaged library before opening it.
//
//   roboimi_plugin_checksum libmy_backbone.so     // the last step of roboimi_add_plugin()
//
// It is the SHA-256 of everything that the dynamic linker reads: the ELF header, the program
// headers and all loaded segments. It excludes what strip and `cmake --install` change: the section
// fields of the header, and the run path with its entries in the dynamic section. Tools that move
// segments (patchelf) invalidate the checksum; run the program again afterwards. A library without
// a checksum is opened unchecked.
#pragma once

#include <filesystem>
#include <optional>

#include "roboimi/common/export.h"
#include "roboimi/plugin/fingerprint.h"
#include "roboimi/plugin/note_reader.h"

namespace roboimi {

inline constexpr std::uint32_t kNoChecksum = 0, kSha256Checksum = 1;  // checksum_kind

// True if `file`, whose note contains `fingerprint`, matches its checksum or has none. Otherwise
// sets `problem`. Depends only on the bytes of the file.
ROBOIMI_EXPORT bool checksum_agrees(const elf::View& file, const Fingerprint& fingerprint,
                                    Error::Parts& problem);

// Writes the checksum into the note of a linked library, in place. Throws Error if the file is not
// a plugin for this version of roboimi or cannot be written.
ROBOIMI_EXPORT void write_plugin_checksum(const std::filesystem::path& file);

}  // namespace roboimi
