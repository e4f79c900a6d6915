// What is specific to this communicator; tests/plugins/communicators/ has the tests of every one.
#include "plugins/nccl_communicator/nccl_communicator.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "plugins/nccl_communicator/backends.h"
#include "roboimi/common/error.h"
#include "tests/plugins/communicators/communicator_under_test.h"

namespace roboimi {

std::unique_ptr<Communicator> testing::make_communicator() {
  return std::make_unique<nccl_communicator::NcclCommunicator>(nccl_communicator::NcclOptions());
}

namespace nccl_communicator {
namespace {

using ::testing::HasSubstr;

TEST(NcclCommunicator, CanBeCreatedAgain) {
  for (int i = 0; i < 3; ++i) {
    NcclCommunicator communicator({});
    at::Tensor sum = at::ones({2});
    communicator.all_reduce(sum);
    EXPECT_TRUE(sum.eq(static_cast<double>(communicator.size())).all().item<bool>());
    communicator.finish();
  }
}

TEST(NcclCommunicator, SaysWhyThereIsNoNccl) {
  const std::string reason = why_no_nccl();
  if (reason.empty()) GTEST_SKIP() << "this build has NCCL, and this machine a GPU";
  try {
    NcclCommunicator communicator({.backend = BackendChoice::kNccl});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("communicator.backend: NCCL is not available: expected a "
                          "build against a CUDA libtorch with NCCL, and a GPU; found " +
                          reason));
    EXPECT_THAT(error.what(), HasSubstr("set communicator.backend=gloo"));
  }
}

TEST(NcclOptions, AreReadFromTheConfig) {
  const auto read = [](const char* yaml) {
    return create(parse_options(parse_yaml(yaml, "test"), schema()));
  };
  read("{backend: gloo, timeout: 60, start_timeout: 30}")->finish();
  EXPECT_THROW(read("{backend: mpi}"), Error);
  EXPECT_THROW(read("{timeout: 0}"), Error);
}

}  // namespace
}  // namespace nccl_communicator
}  // namespace roboimi
