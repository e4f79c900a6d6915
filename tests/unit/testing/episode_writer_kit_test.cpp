// The checks of the episode writer kit: each finds the fault that it is there for.
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

enum class Fault {
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
  explicit FaultyWriter(Fault fault) : fault_(fault) {}
  fs::path file_of(const fs::path& folder, std::int64_t index) const override {
    return folder / fmt::format("episode_{}.txt", fault_ == Fault::kOneFile ? 0 : index);
  }
  void write(const fs::path& file, const EpisodeRecord& record) const override {
    if (fault_ != Fault::kAcceptsAnything) check(record);
    const std::uint64_t seed = fault_ == Fault::kForgetsTheSeed ? 0 : record.seed;
    std::string text = fmt::format("episode {} {}", seed, record.success ? 1 : 0);
    if (fault_ == Fault::kWritesATime) text += fmt::format(" {}", count_++);
    if (fault_ == Fault::kLeavesAFile) write_text_atomically(file.string() + ".log", "written");
    write_text_atomically(file, text);
  }
  EpisodeHeader read_header(const fs::path& file) const override {
    if (fault_ == Fault::kReadsAnything) return {};
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

  Fault fault_;
  static inline std::atomic<int> count_ = 0;
};

class FaultyWriterSubject : public EpisodeWriterSubject {
 public:
  explicit FaultyWriterSubject(Fault fault) : fault_(fault) {}
  std::shared_ptr<EpisodeWriter> make() const override {
    return std::make_shared<FaultyWriter>(fault_);
  }

 private:
  Fault fault_;
};

const std::vector<std::pair<Fault, std::string>> kFaults = {
    {Fault::kOneFile, "each_episode_has_a_file"},
    {Fault::kForgetsTheSeed, "what_was_written_has_its_header"},
    {Fault::kLeavesAFile, "nothing_else_is_left"},
    {Fault::kWritesATime, "the_same_record_gives_the_same_bytes"},
    {Fault::kAcceptsAnything, "a_record_that_does_not_fit_is_refused"},
    {Fault::kReadsAnything, "what_is_no_episode_is_refused"}};

TEST(EpisodeWriterKit, PassesAWriterWithoutAFault) {
  EXPECT_THAT(failing_checks(episode_writer_checks(), FaultyWriterSubject(Fault::kNone)),
              IsEmpty());
}

TEST(EpisodeWriterKit, FindsAFaultByEachOfItsChecks) {
  std::set<std::string> checks, broken;
  for (const auto& [fault, check] : kFaults) {
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
