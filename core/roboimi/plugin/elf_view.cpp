#include "roboimi/plugin/elf_view.h"

#include <fmt/format.h>

#include <string>

namespace roboimi::elf {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kHostMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kHostMachine = EM_AARCH64;
#else
#error "unknown machine: add its ELF number here"
#endif

std::string machine_name(Elf64_Half machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86-64";
    case EM_AARCH64:
      return "aarch64";
    case EM_386:
      return "x86 (32 bits)";
    case EM_ARM:
      return "arm (32 bits)";
    case EM_RISCV:
      return "riscv";
    default:
      return fmt::format("ELF machine {}", machine);
  }
}

Error::Parts truncated(const std::string& found) {
  return {.what = "the file is truncated or damaged",
          .expected = "every segment inside the file",
          .found = found,
          .next = "copy or build the plugin again"};
}

// The header of a shared library for this machine.
std::optional<Elf64_Ehdr> read_header(Bytes file, Error::Parts& problem) {
  const std::string next = "pass the .so file that the plugin's build made";
  if (file.size() < EI_NIDENT || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0) {
    problem = {.what = "not a shared library",
               .expected = "an ELF file",
               .found = file.empty() ? "an empty file" : "other contents",
               .next = next};
    return std::nullopt;
  }
  if (file[EI_CLASS] != ELFCLASS64 || file[EI_DATA] != ELFDATA2LSB) {
    const char* found = file[EI_CLASS] == ELFCLASS32   ? "a 32-bit file"
                        : file[EI_CLASS] == ELFCLASS64 ? "another byte order"
                                                       : "an unknown ELF class";
    problem = {.what = "a library for another type of machine",
               .expected = "a 64-bit little-endian ELF file",
               .found = found,
               .next = "build the plugin for " + machine_name(kHostMachine)};
    return std::nullopt;
  }
  const auto header = read_record<Elf64_Ehdr>(file, 0);
  if (!header) {
    problem = truncated(fmt::format("{} bytes, fewer than an ELF header", file.size()));
    return std::nullopt;
  }
  if (header->e_machine != kHostMachine) {
    problem = {.what = "a library for another machine",
               .expected = machine_name(kHostMachine),
               .found = machine_name(header->e_machine),
               .next = "build the plugin for " + machine_name(kHostMachine)};
    return std::nullopt;
  }
  if (header->e_type != ET_DYN) {
    problem = {.what = "not a shared library",
               .expected = "ELF type DYN",
               .found = fmt::format("ELF type {}", header->e_type),
               .next = next};
    return std::nullopt;
  }
  return header;
}

}  // namespace

std::optional<View> View::of(Bytes file, Error::Parts& problem) {
  // The ELF header and the table of program headers.
  const auto header = read_header(file, problem);
  if (!header) return std::nullopt;
  if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == PN_XNUM) {
    problem = truncated(
        fmt::format("{} program headers of {} bytes", header->e_phnum, header->e_phentsize));
    return std::nullopt;
  }
  const auto table =
      slice(file, header->e_phoff, std::uint64_t{header->e_phnum} * sizeof(Elf64_Phdr));
  if (!table) {
    problem = truncated(fmt::format("{} program headers at byte {} of a file of {} bytes",
                                    header->e_phnum, header->e_phoff, file.size()));
    return std::nullopt;
  }
  // The program headers, with their segments checked.
  View view;
  view.file_ = file;
  view.header_ = *header;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto program = *read_record<Elf64_Phdr>(*table, i * sizeof(Elf64_Phdr));
    view.programs_.push_back(program);
    if (program.p_type == PT_NULL || program.p_type == PT_GNU_STACK) continue;
    if (slice(file, program.p_offset, program.p_filesz)) continue;
    problem = truncated(fmt::format("a segment of {} bytes at byte {} of a file of {} bytes",
                                    program.p_filesz, program.p_offset, file.size()));
    return std::nullopt;
  }
  return view;
}

}  // namespace roboimi::elf
