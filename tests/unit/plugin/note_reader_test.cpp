#include "roboimi/plugin/note_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <random>

#include "tests/unit/plugin/elf_sample.h"

namespace roboimi {
namespace {

using testing::HasSubstr;
using testing_support::bytes_of;
using testing_support::elf_sample;
using testing_support::ElfSample;

// Memory that ends at an unmapped page, so that reading beyond the end crashes.
class GuardedBytes {
 public:
  static constexpr std::size_t kCapacity = 1 << 16;
  GuardedBytes() {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    size_ = kCapacity + page;
    memory_ = static_cast<std::uint8_t*>(
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(memory_ + kCapacity, page, PROT_NONE), 0);
  }
  ~GuardedBytes() { munmap(memory_, size_); }

  std::span<const std::uint8_t> hold(const std::vector<std::uint8_t>& bytes) {
    std::uint8_t* start = memory_ + kCapacity - bytes.size();
    if (!bytes.empty()) std::memcpy(start, bytes.data(), bytes.size());
    return {start, bytes.size()};
  }

 private:
  std::uint8_t* memory_ = nullptr;
  std::size_t size_ = 0;
};

std::string problem_with(const std::vector<std::uint8_t>& bytes) {
  GuardedBytes guarded;
  Error::Parts problem;
  const auto found = find_plugin_note(guarded.hold(bytes), problem);
  return found ? "" : Error(problem).what();
}

std::string problem_after(const std::function<void(ElfSample&)>& change) {
  ElfSample sample = elf_sample();
  change(sample);
  return problem_with(bytes_of(sample));
}

TEST(NoteReader, FindsThePluginsNoteAfterAnother) {
  const auto bytes = bytes_of(elf_sample());
  Error::Parts problem;
  const auto content = find_plugin_note(bytes, problem);
  ASSERT_TRUE(content);
  EXPECT_EQ(content->data(), bytes.data() + offsetof(ElfSample, plugin.content));
  EXPECT_EQ(content->size(), sizeof(Fingerprint));
}

TEST(NoteReader, RejectsFilesThatAreNoSharedLibrary) {
  EXPECT_THAT(problem_with({}), HasSubstr("expected an ELF file; found an empty file"));
  EXPECT_THAT(problem_with(std::vector<std::uint8_t>(200, 'x')), HasSubstr("found other contents"));
  EXPECT_THAT(problem_after([](auto& s) { s.header.e_type = ET_EXEC; }),
              HasSubstr("expected ELF type DYN; found ELF type 2"));
}

TEST(NoteReader, RejectsOtherMachines) {
  EXPECT_THAT(problem_after([](auto& s) { s.header.e_ident[EI_CLASS] = ELFCLASS32; }),
              HasSubstr("found a 32-bit file"));
  EXPECT_THAT(problem_after([](auto& s) { s.header.e_ident[EI_DATA] = ELFDATA2MSB; }),
              HasSubstr("found another byte order"));
  EXPECT_THAT(problem_after([](auto& s) { s.header.e_machine = EM_RISCV; }),
              HasSubstr("found riscv"));
}

TEST(NoteReader, RejectsEveryTruncation) {
  const auto bytes = bytes_of(elf_sample());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(problem_with({bytes.begin(), bytes.begin() + size}), "") << size;
  }
}

TEST(NoteReader, RejectsSizesBeyondTheEndOfTheFile) {
  for (const std::uint64_t wrong :
       {std::uint64_t{1} << 20, ~std::uint64_t{0}, ~std::uint64_t{63}}) {
    EXPECT_THAT(problem_after([&](auto& s) { s.header.e_phoff = wrong; }), HasSubstr("truncated"));
    EXPECT_THAT(problem_after([&](auto& s) { s.load.p_filesz = wrong; }), HasSubstr("truncated"));
    EXPECT_THAT(problem_after([&](auto& s) { s.load.p_offset = wrong; }), HasSubstr("truncated"));
    EXPECT_THAT(problem_after([&](auto& s) { s.notes.p_filesz = wrong; }), HasSubstr("truncated"));
  }
  EXPECT_THAT(problem_after([](auto& s) { s.header.e_phnum = 60000; }), HasSubstr("truncated"));
  EXPECT_THAT(problem_after([](auto& s) { s.header.e_phnum = PN_XNUM; }), HasSubstr("truncated"));
  EXPECT_THAT(problem_after([](auto& s) { s.header.e_phentsize = 8; }), HasSubstr("truncated"));
}

TEST(NoteReader, FindsNoNoteWithWrongSizes) {
  for (const std::uint32_t wrong : {0xffffffffu, 0xfffffffdu, 1000u}) {
    EXPECT_THAT(problem_after([&](auto& s) { s.foreign.n_descsz = wrong; }),
                HasSubstr("not a roboimi plugin"));
    EXPECT_THAT(problem_after([&](auto& s) { s.foreign.n_namesz = wrong; }),
                HasSubstr("not a roboimi plugin"));
    EXPECT_THAT(problem_after([&](auto& s) { s.plugin.content_size = wrong; }),
                HasSubstr("not a roboimi plugin"));
  }
  EXPECT_THAT(problem_after([](auto& s) { s.plugin.owner[0] = 'R'; }),
              HasSubstr("expected a section .note.roboimi"));
}

TEST(NoteReader, StaysInsideTheFileForTwentyThousandMutations) {
  GuardedBytes guarded;
  std::mt19937_64 random(20260101);
  int found_count = 0;
  for (int round = 0; round < 20000; ++round) {
    auto bytes = bytes_of(elf_sample());
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i) {
      const std::size_t at = random() % bytes.size();
      bytes[at] = static_cast<std::uint8_t>(random() % 2 ? random() : 0xff);
    }
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    if (random() % 16 == 0) {
      for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    }
    const auto file = guarded.hold(bytes);
    Error::Parts problem;
    const auto content = find_plugin_note(file, problem);
    if (!content) {
      ASSERT_FALSE(problem.what.empty());
      continue;
    }
    ++found_count;
    ASSERT_GE(content->data(), file.data());
    ASSERT_LE(content->data() + content->size(), file.data() + file.size());
    check_fingerprint(*content, host_fingerprint(), problem);
  }
  // Many mutations must have been accepted and many rejected.
  EXPECT_GT(found_count, 1000);
  EXPECT_LT(found_count, 19000);
}

}  // namespace
}  // namespace roboimi
