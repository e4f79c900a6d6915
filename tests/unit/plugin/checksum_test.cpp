#include "roboimi/plugin/checksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "roboimi/common/files.h"
#include "tests/error_text.h"
#include "tests/unit/plugin/elf_sample.h"

namespace roboimi {
namespace {

using testing::HasSubstr;
using testing_support::bytes_of;
using testing_support::elf_sample;
using testing_support::ElfSample;

class Checksum : public testing::Test {
 protected:
  Checksum() {
    write_text_atomically(file_, text_of(bytes_of(elf_sample())));
    write_plugin_checksum(file_);
    written_ = read_text(file_);
  }
  ~Checksum() override { std::filesystem::remove(file_); }

  static std::string text_of(const std::vector<std::uint8_t>& bytes) {
    return {bytes.begin(), bytes.end()};
  }
  // The reason why a file with these bytes is rejected; empty if it is accepted.
  static std::string problem_with(const std::string& bytes) {
    const elf::Bytes file(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    Error::Parts problem;
    const auto note = find_plugin_note(file, problem);
    if (!note) return Error(problem).what();
    const auto fingerprint = check_fingerprint(*note, host_fingerprint(), problem);
    if (!fingerprint) return Error(problem).what();
    return checksum_agrees(*elf::View::of(file, problem), *fingerprint, problem)
               ? ""
               : Error(problem).what();
  }

  const std::filesystem::path file_ =
      std::filesystem::path(testing::TempDir()) / "roboimi_checksum_test.so";
  std::string written_;
};

TEST_F(Checksum, MatchesTheFileItWasWrittenInto) {
  EXPECT_EQ(problem_with(written_), "");
  write_plugin_checksum(file_);
  EXPECT_EQ(read_text(file_), written_) << "writing it again does not change it";
}

TEST_F(Checksum, IsNotRequired) {
  std::string bytes = text_of(bytes_of(elf_sample()));
  EXPECT_EQ(problem_with(bytes), "");
  bytes[offsetof(ElfSample, foreign_content)] ^= 1;
  EXPECT_EQ(problem_with(bytes), "");
}

TEST_F(Checksum, DetectsEveryFlippedByteThatIsLoaded) {
  // The section table, which strip moves, is not loaded.
  const auto is_free = [](std::size_t at) {
    return (at >= offsetof(Elf64_Ehdr, e_shoff) && at < offsetof(Elf64_Ehdr, e_flags)) ||
           (at >= offsetof(Elf64_Ehdr, e_shentsize) && at < sizeof(Elf64_Ehdr));
  };
  for (std::size_t at = 0; at < written_.size(); ++at) {
    std::string bytes = written_;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    EXPECT_EQ(problem_with(bytes).empty(), is_free(at)) << "byte " << at;
  }
}

TEST_F(Checksum, ReportsWhatWasExpectedAndFoundAndWhatToDo) {
  std::string bytes = written_;
  bytes[offsetof(ElfSample, foreign_content)] ^= 1;
  const std::string problem = problem_with(bytes);
  EXPECT_THAT(problem, HasSubstr("the file is damaged or was changed after it was built"));
  EXPECT_THAT(problem,
              HasSubstr("expected the checksum in its note, " +
                        written_.substr(offsetof(ElfSample, plugin.content.checksum), 16) + "..."));
  EXPECT_THAT(problem, HasSubstr("copy or build the plugin again"));
  EXPECT_THAT(problem, HasSubstr("roboimi_plugin_checksum"));
  bytes = written_;
  bytes[offsetof(ElfSample, plugin.content.checksum_kind)] = 7;
  EXPECT_THAT(problem_with(bytes), HasSubstr("found checksum kind 7"));
}

TEST_F(Checksum, IsOnlyWrittenIntoPlugins) {
  write_text_atomically(file_, "no library");
  EXPECT_THAT(error_text([&] { write_plugin_checksum(file_); }),
              HasSubstr(file_.string() + ": not a shared library"));
}

}  // namespace
}  // namespace roboimi
