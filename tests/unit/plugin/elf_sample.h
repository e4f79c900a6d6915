// A minimal shared library for tests of the note reader: an ELF header, program headers for a
// loaded segment and a segment of notes, a foreign note and the plugin's note.
#pragma once

#include <elf.h>

#include <cstring>
#include <vector>

#include "roboimi/plugin/fingerprint.h"

namespace roboimi::testing_support {

struct ElfSample {
  Elf64_Ehdr header;
  Elf64_Phdr load;
  Elf64_Phdr notes;
  Elf64_Nhdr foreign;
  char foreign_owner[4];
  std::uint8_t foreign_content[8];
  PluginNote plugin;
};

inline ElfSample elf_sample() {
  ElfSample sample{};
  std::memcpy(sample.header.e_ident, ELFMAG, SELFMAG);
  sample.header.e_ident[EI_CLASS] = ELFCLASS64;
  sample.header.e_ident[EI_DATA] = ELFDATA2LSB;
  sample.header.e_ident[EI_VERSION] = EV_CURRENT;
  sample.header.e_type = ET_DYN;
#if defined(__aarch64__)
  sample.header.e_machine = EM_AARCH64;
#else
  sample.header.e_machine = EM_X86_64;
#endif
  sample.header.e_phoff = offsetof(ElfSample, load);
  sample.header.e_phentsize = sizeof(Elf64_Phdr);
  sample.header.e_phnum = 2;
  sample.load.p_type = PT_LOAD;
  sample.load.p_filesz = sizeof(ElfSample);
  sample.notes.p_type = PT_NOTE;
  sample.notes.p_offset = offsetof(ElfSample, foreign);
  sample.notes.p_filesz = sizeof(ElfSample) - offsetof(ElfSample, foreign);
  sample.notes.p_align = 4;
  sample.foreign = {4, 8, 5};
  std::memcpy(sample.foreign_owner, "GNU", 4);
  sample.plugin = detail::make_plugin_note("sample", "1.2.3");
  return sample;
}

inline std::vector<std::uint8_t> bytes_of(const ElfSample& sample) {
  std::vector<std::uint8_t> bytes(sizeof(sample));
  std::memcpy(bytes.data(), &sample, sizeof(sample));
  return bytes;
}

}  // namespace roboimi::testing_support
