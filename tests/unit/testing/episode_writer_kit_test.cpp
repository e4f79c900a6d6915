// Tests of the episode writer checks: a correct writer passes all, and each fault is found by its
// check.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/testing/episode_writer_checks.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::IsEmpty;
namespace fs = std::filesystem;

enum class WriterFault {
  kNone,
  kOneFile,
  kForgetsTheSeed,
  kLeavesAFile,
  kWritesATime,
  kAcceptsAnything,
  kReadsAnything,
};

// An episode is a line of text.
class FaultyWriter : public EpisodeWriter {
 public:
  explicit FaultyWriter(WriterFault fault) : fault_(fault) {}
  fs::path file_of(const fs::path& folder, std::int64_t index) const override {
    return folder / fmt::format("episode_{}.txt", fault_ == WriterFault::kOneFile ? 0 : index);
  }
  void write(const fs::path& file, const EpisodeRecord& record) const override {
    if (fault_ != WriterFault::kAcceptsAnything) check(record);
    const std::uint64_t seed = fault_ == WriterFault::kForgetsTheSeed ? 0 : record.seed;
    std::string text = fmt::format("episode {} {}", seed, record.success ? 1 : 0);
    if (fault_ == WriterFault::kWritesATime) text += fmt::format(" {}", count_++);
    if (fault_ == WriterFault::kLeavesAFile)
      write_text_atomically(file.string() + ".log", "written");
    write_text_atomically(file, text);
  }
  EpisodeHeader read_header(const fs::path& file) const override {
    if (fault_ == WriterFault::kReadsAnything) return {};
    const std::string text = read_text(file);
    unsigned long long seed = 0;
    int success = 0;
    if (std::sscanf(text.c_str(), "episode %llu %d", &seed, &success) != 2) {
      throw Error({.what = "no episode", .where = file.string()});
    }
    return {.seed = seed, .success = success == 1};
  }

 private:
  static void check(const EpisodeRecord& record) {
    const at::Tensor state = record.observations.state();
    if (!state.defined()) throw Error("there is no state");
    if (record.actions.size(0) != state.size(0)) throw Error("an action for each state is needed");
  }

  WriterFault fault_;
  static inline std::atomic<int> count_ = 0;
};

class FaultyWriterSubject : public EpisodeWriterSubject {
 public:
  explicit FaultyWriterSubject(WriterFault fault) : fault_(fault) {}
  std::shared_ptr<EpisodeWriter> make() const override {
    return std::make_shared<FaultyWriter>(fault_);
  }

 private:
  WriterFault fault_;
};

const std::vector<std::pair<WriterFault, std::string>> kWriterFaults = {
    {WriterFault::kOneFile, "each_episode_has_a_file"},
    {WriterFault::kForgetsTheSeed, "what_was_written_has_its_header"},
    {WriterFault::kLeavesAFile, "nothing_else_is_left"},
    {WriterFault::kWritesATime, "the_same_record_gives_the_same_bytes"},
    {WriterFault::kAcceptsAnything, "a_record_that_does_not_fit_is_refused"},
    {WriterFault::kReadsAnything, "what_is_no_episode_is_refused"}};

TEST(EpisodeWriterKit, PassesAWriterWithoutAFault) {
  EXPECT_THAT(failing_checks(episode_writer_checks(), FaultyWriterSubject(WriterFault::kNone)),
              IsEmpty());
}

TEST(EpisodeWriterKit, FindsAFaultWithEachOfItsChecks) {
  std::set<std::string> checks, broken;
  for (const auto& [fault, check] : kWriterFaults) {
    EXPECT_TRUE(failing_checks(episode_writer_checks(), FaultyWriterSubject(fault)).contains(check))
        << check;
    broken.insert(check);
  }
  for (const Check<EpisodeWriterSubject>& check : episode_writer_checks()) {
    checks.insert(check.name);
  }
  EXPECT_EQ(checks, broken);
}

}  // namespace
}  // namespace roboimi::testing
