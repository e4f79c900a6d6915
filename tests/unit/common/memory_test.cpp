#include "roboimi/common/memory.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

TEST(Memory, ThatIsNotAvailableIsAnErrorWithBothSizes) {
  EXPECT_NO_THROW(require_memory(1.0, "a number", "here", ""));
  try {
    require_memory(1e18, "the head", "agent.head", "lower n_emb");
    FAIL() << "a billion gigabytes";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("agent.head: not enough memory for the head: expected "
                                        "1000000000.0 GB; found "));
    EXPECT_THAT(error.what(), HasSubstr(" GB available; lower n_emb"));
  }
}

TEST(Memory, OfAControlGroupDoesNotCountPagesOfFilesAsUsed) {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("roboimi_memory_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto write = [&](const char* name, const std::string& text) {
    write_text_atomically(folder / name, text + "\n");
  };
  constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(left_in_control_group(folder), kUnlimited);
  write("memory.current", "900");
  write("memory.max", "max");
  EXPECT_EQ(left_in_control_group(folder), kUnlimited);
  write("memory.max", "1000");
  EXPECT_EQ(left_in_control_group(folder), 100U);
  write("memory.stat", "anon 300\ninactive_file 400\nactive_file 200");
  EXPECT_EQ(left_in_control_group(folder), 700U);
  write("memory.max", "200");
  EXPECT_EQ(left_in_control_group(folder), 0U);
  fs::remove_all(folder);
}

// Not with AddressSanitizer, which has its own allocator and reserves terabytes of addresses.
#ifndef __SANITIZE_ADDRESS__
TEST(Memory, RespectsTheLimitOfTheProcess) {
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &former), 0);
  const std::uint64_t before = available_memory();
  EXPECT_GT(before, 0U);
  const rlimit small{.rlim_cur = 1 << 20, .rlim_max = former.rlim_max};  // long exceeded
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &small), 0);
  const std::uint64_t within = available_memory();
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &former), 0);
  EXPECT_EQ(within, 0U);
}

#ifdef __GLIBC__
TEST(Memory, ThatIsFreedIsKeptForTheNextAllocation) {
  constexpr std::size_t kBytes = 16 << 20;
  constexpr int kRounds = 20;
  const auto page_faults = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  keep_freed_memory();
  const auto before = page_faults();
  // By default glibc keeps one such block and returns the others to the system in every round.
  std::array<void* volatile, 4> blocks{};
  for (int round = 0; round < kRounds; ++round) {
    for (auto& block : blocks) {
      block = std::malloc(kBytes);
      std::memset(block, round, kBytes);
    }
    for (auto& block : blocks) std::free(block);
  }
  const auto pages_of_a_round = static_cast<long>(blocks.size() * kBytes) / ::sysconf(_SC_PAGESIZE);
  EXPECT_LT(page_faults() - before, 2 * pages_of_a_round);  // the first round needs new pages
}
#endif
#endif

}  // namespace
}  // namespace roboimi
