#include "roboimi/common/memory.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

TEST(Memory, IsRefusedWhereThereIsNotEnoughWithBothNumbers) {
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

TEST(Memory, IsWhatTheProcesssOwnLimitLeaves) {
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

// Pages that the kernel hands out while 20 blocks of `bytes` come and go.
std::int64_t page_faults(std::size_t bytes) {
  const auto count = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::int64_t>(usage.ru_minflt);
  };
  const std::int64_t before = count();
  for (int i = 0; i < 20; ++i) {
    void* volatile block = std::malloc(bytes);
    std::memset(block, i, bytes);
    std::free(block);
  }
  return count() - before;
}

TEST(Memory, OnceFreedIsKeptForTheNextAllocation) {
#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "another allocator";
#endif
  constexpr std::size_t kBytes = 16 << 20;
  const std::int64_t pages = kBytes / ::sysconf(_SC_PAGESIZE);
  keep_freed_memory();
  EXPECT_LT(page_faults(kBytes), 2 * pages);  // 20 blocks, one of which is new
}

}  // namespace
}  // namespace roboimi
