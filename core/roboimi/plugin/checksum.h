// The checksum in a plugin's note, by which a damaged library is refused before it is opened.
//
//   roboimi_plugin_checksum libmy_backbone.so     // the last step of roboimi_add_plugin()
//
// It is the SHA-256 of what the dynamic linker reads: the ELF header, the program headers and every
// loaded segment. What strip and `cmake --install` change is left out: the header's section fields,
// and the run path with its entries in the dynamic section. A tool that moves segments (patchelf)
// makes the checksum stale: write it again. A library without one is opened unchecked.
#pragma once

#include <filesystem>
#include <optional>

#include "roboimi/common/export.h"
#include "roboimi/plugin/fingerprint.h"
#include "roboimi/plugin/note_reader.h"

namespace roboimi {

inline constexpr std::uint32_t kNoChecksum = 0, kSha256Checksum = 1;  // checksum_kind

// Whether `file`, whose note holds `fingerprint`, is as it was when the checksum was written, or
// has none. Otherwise `problem` says what was expected and found. A pure function of its bytes.
ROBOIMI_EXPORT bool checksum_agrees(const elf::View& file, const Fingerprint& fingerprint,
                                    Error::Parts& problem);

// Writes the checksum into the note of a linked library, in place. Error: it is no plugin of this
// version of roboimi, or cannot be written.
ROBOIMI_EXPORT void write_plugin_checksum(const std::filesystem::path& file);

}  // namespace roboimi
