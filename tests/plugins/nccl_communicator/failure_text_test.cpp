// What a user reads when libtorch's distributed code fails.
#include <c10/util/Exception.h>
#include <gmock/gmock.h>

#include "plugins/nccl_communicator/failure.h"
#include "roboimi/common/error.h"

namespace roboimi::nccl_communicator {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string message_of(const std::exception& cause) {
  try {
    throw_failure(cause, "sum over the processes", "nccl, rank 1 of 2");
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Failure, OfALostProcessPointsToItsError) {
  EXPECT_THAT(
      message_of(std::runtime_error("[pair.cc:553] Connection closed by peer [127.0.0.1]:31128.")),
      HasSubstr(
          "nccl, rank 1 of 2: another process of this training has ended or cannot be reached: "
          "found [pair.cc:553] Connection closed by peer [127.0.0.1]:31128.; see the error of "
          "that process"));
}

TEST(Failure, OfATimeoutNamesTheOption) {
  const std::string text = message_of(std::runtime_error("Timed out waiting 2000ms for recv"));
  EXPECT_THAT(text, HasSubstr("did not answer in time"));
  EXPECT_THAT(text, HasSubstr("communicator.timeout"));
}

// NCCL's text has several lines; the last one explains the error.
TEST(Failure, OfTwoProcessesOnOneGpuNamesTheOption) {
  const c10::DistBackendError cause(
      {__func__, __FILE__, __LINE__},
      "NCCL error in: ProcessGroupNCCL.cpp, invalid usage\nLast error:\nDuplicate GPU detected : "
      "rank 1 and rank 0 both on CUDA device 1b000");
  const std::string text = message_of(cause);
  EXPECT_THAT(text, HasSubstr("two processes of this training use the same GPU"));
  EXPECT_THAT(text, HasSubstr("rank 1 and rank 0 both on CUDA device 1b000"));
  EXPECT_THAT(text, HasSubstr("set device=cuda"));
  EXPECT_THAT(text, Not(HasSubstr("\n")));
}

TEST(Failure, OfAnotherKindSaysWhatFailed) {
  EXPECT_THAT(message_of(std::runtime_error("unhandled system error")),
              HasSubstr("failed to sum over the processes: found unhandled system error"));
}

TEST(Failure, KeepsOwnErrors) {
  EXPECT_STREQ(message_of(Error("the disk is full")).c_str(), "the disk is full");
}

}  // namespace
}  // namespace roboimi::nccl_communicator
