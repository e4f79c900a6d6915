// What is specific to MPI; tests/plugins/communicators/ has the tests of every communicator.
#include "plugins/mpi_communicator/mpi_communicator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "roboimi/common/error.h"
#include "tests/plugins/communicators/communicator_under_test.h"

namespace roboimi {

std::unique_ptr<Communicator> testing::make_communicator() {
  return std::make_unique<mpi_communicator::MpiCommunicator>(mpi_communicator::MpiOptions());
}

namespace mpi_communicator {
namespace {

TEST(MpiCommunicator, CannotStartAgainBeforeItIsFinished) {
  MpiCommunicator mpi{MpiOptions()};
  EXPECT_THROW(MpiCommunicator{MpiOptions()}, Error);
  mpi.finish();
}

// Chunks that are shorter than a tensor and do not divide its length.
TEST(Chunks, GiveTheSameResultAsAWholeTensor) {
  MpiCommunicator mpi({.chunk_bytes = 24});
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kLong, at::kByte}) {
    const at::Tensor numbers = at::arange(101).remainder(20).to(dtype);
    at::Tensor sum = numbers.clone(), copy = mpi.rank() == 0 ? numbers.clone() : numbers * 0;
    mpi.all_reduce(sum);
    mpi.broadcast(copy, 0);
    EXPECT_TRUE(at::equal(sum, numbers * mpi.size())) << dtype;
    EXPECT_TRUE(at::equal(copy, numbers)) << dtype;
  }
  mpi.finish();
}

TEST(Options, AreReadFromTheConfig) {
  const Options options = parse_options(parse_yaml("chunk_bytes: 1024", "test"), schema());
  const auto made = create(options);
  EXPECT_GE(made->size(), 1);
  made->finish();
}

}  // namespace
}  // namespace mpi_communicator
}  // namespace roboimi
