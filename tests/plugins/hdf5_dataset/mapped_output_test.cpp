// Tests of MappedOutput: a file that grows as memory, also where the disk is full or shared
// mappings are not supported.
#include "plugins/hdf5_dataset/mapped_output.h"

#include <gmock/gmock.h>

#include <cstring>
#include <fstream>

#include "roboimi/common/files.h"
#include "tests/deny_system_call.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::hdf5_dataset {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::size_t kStep = 1 << 20;

class MappedOutputs : public ::testing::Test {
 protected:
  void SetUp() override { std::ofstream(file_).flush(); }

  // Fills three steps with 'a', 'b' and 'c', and returns the size of the first mismatch.
  static std::string write_steps(MappedOutput& output) {
    for (std::size_t step = 0; step < 3; ++step) {
      char* const bytes = output.resize((step + 1) * kStep);
      if (bytes == nullptr) return "no memory";
      std::memset(bytes + step * kStep, "abc"[step], kStep);
    }
    output.finish(2 * kStep + 5);
    return "written";
  }
  static std::string expected() {
    return std::string(kStep, 'a') + std::string(kStep, 'b') + std::string(5, 'c');
  }

  const ScratchFolder scratch_;
  const fs::path file_ = scratch_ / "file";
};

TEST_F(MappedOutputs, GrowAndBecomeAFile) {
  MappedOutput output(file_, file_);
  EXPECT_EQ(write_steps(output), "written");
  EXPECT_EQ(read_text(file_), expected());
}

TEST_F(MappedOutputs, WriteTheFileWhereSharedMappingsAreNotSupported) {
  EXPECT_EXIT(
      {
        testing::deny_shared_mappings(ENODEV);
        MappedOutput output(file_, file_);
        std::_Exit(write_steps(output) == "written" ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(read_text(file_), expected());
}

TEST_F(MappedOutputs, ContinueInMemoryAndReportAFullDisk) {
  EXPECT_EXIT(
      {
        MappedOutput output(file_, "episode_7.hdf5");
        std::memset(output.resize(kStep), 'a', kStep);
        testing::deny_system_call(SYS_fallocate, ENOSPC);
        char* const bytes = output.resize(3 * kStep);
        bytes[3 * kStep - 1] = 'c';
        const bool is_kept = bytes[0] == 'a' && bytes[kStep - 1] == 'a';
        const std::string error = error_text([&] { output.check(); });
        std::fprintf(stderr, "%s; %s", error.c_str(),
                     error == error_text([&] { output.finish(3 * kStep); }) ? "same" : "differs");
        std::_Exit(is_kept ? 0 : 1);
      },
      ::testing::ExitedWithCode(0),
      AllOf(HasSubstr("episode_7.hdf5: cannot write: No space left on device"), HasSubstr("same")));
}

}  // namespace
}  // namespace roboimi::hdf5_dataset
