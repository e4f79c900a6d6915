// Collective operations of a communicator, in one process or several.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <ctime>
#include <thread>

#include "roboimi/common/error.h"
#include "tests/plugins/communicators/communicator_under_test.h"

namespace roboimi::testing {
namespace {

using ::testing::HasSubstr;

// Finishing the communicator makes all processes complete a test before the next one begins.
class Collectives : public ::testing::Test {
 protected:
  ~Collectives() override { processes_.finish(); }

  double size() const { return static_cast<double>(processes_.size()); }
  // 1 + 2 + ... + size.
  double sum_of_ranks() const { return size() * (size() + 1) / 2; }
  double mine() const { return static_cast<double>(processes_.rank() + 1); }

  std::unique_ptr<Communicator> made_ = make_communicator();
  Communicator& processes_ = *made_;
};

TEST_F(Collectives, NumberTheProcesses) {
  EXPECT_GE(processes_.rank(), 0);
  EXPECT_LT(processes_.rank(), processes_.size());
  EXPECT_EQ(processes_.local_rank(), processes_.rank());  // all on this machine
  at::Tensor ranks = at::zeros({processes_.size()}, at::kLong);
  ranks[processes_.rank()] = 1;
  processes_.all_reduce(ranks);
  EXPECT_TRUE(ranks.eq(1).all().item<bool>()) << ranks;
}

TEST_F(Collectives, SumEveryType) {
  for (const at::ScalarType dtype :
       {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kByte}) {
    at::Tensor tensor = at::full({3, 5}, mine(), dtype);
    processes_.all_reduce(tensor);
    EXPECT_EQ(tensor.scalar_type(), dtype);
    EXPECT_TRUE(tensor.eq(sum_of_ranks()).all().item<bool>()) << dtype << "\n" << tensor;
  }
}

// A sum in bfloat16 would lose small values: 256 + 1 is 256 there.
TEST_F(Collectives, SumNarrowTypesInFloat32) {
  at::Tensor tensor = at::full({}, processes_.rank() == 0 ? 256.0 : 1.0, at::kBFloat16);
  processes_.all_reduce(tensor);
  EXPECT_EQ(tensor.item<double>(),
            at::full({}, 255.0 + size(), at::kFloat).to(at::kBFloat16).item<double>());
}

TEST_F(Collectives, RejectSumsOfUnsupportedTypes) {
  at::Tensor tensor = at::zeros({2}, at::kComplexFloat);
  try {
    processes_.all_reduce(tensor);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected float32, float64, float16, bfloat16, int64"));
    EXPECT_THAT(error.what(), HasSubstr("found ComplexFloat"));
  }
}

TEST_F(Collectives, AcceptTensorsOfAnyLayout) {
  at::Tensor table = at::full({4, 6}, mine());
  at::Tensor transposed = table.t(), every_second = table.slice(1, 0, 6, 2);
  processes_.all_reduce(transposed);
  EXPECT_TRUE(table.eq(sum_of_ranks()).all().item<bool>()) << table;
  every_second.fill_(mine());
  processes_.broadcast(every_second, processes_.size() - 1);
  EXPECT_TRUE(every_second.eq(size()).all().item<bool>()) << every_second;
  EXPECT_TRUE(table.slice(1, 1, 6, 2).eq(sum_of_ranks()).all().item<bool>()) << table;
}

TEST_F(Collectives, AcceptEmptyTensorsAndScalars) {
  at::Tensor empty = at::empty({0, 3}), scalar = at::full({}, mine());
  processes_.all_reduce(empty);
  processes_.broadcast(empty, 0);
  processes_.all_reduce(scalar);
  EXPECT_EQ(empty.numel(), 0);
  EXPECT_EQ(scalar.item<double>(), sum_of_ranks());
}

TEST_F(Collectives, ChangeParametersInPlace) {
  at::Tensor parameter = at::full({3}, mine()).set_requires_grad(true);
  processes_.all_reduce(parameter);
  EXPECT_TRUE(parameter.is_leaf());
  EXPECT_EQ(parameter.sum().item<double>(), 3 * sum_of_ranks());
}

TEST_F(Collectives, BroadcastEveryTypeFromEveryProcess) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong,
                                     at::kInt, at::kByte, at::kBool, at::kComplexDouble}) {
    for (std::int64_t root = 0; root < processes_.size(); ++root) {
      const at::Tensor expected = at::arange(12).add(root).remainder(7).to(dtype);
      at::Tensor tensor = processes_.rank() == root ? expected.clone() : at::zeros({12}, dtype);
      processes_.broadcast(tensor, root);
      EXPECT_TRUE(at::equal(tensor, expected)) << dtype << " from " << root;
    }
  }
}

TEST_F(Collectives, BroadcastStrings) {
  const std::string text = std::string("one\0two", 7);
  EXPECT_EQ(broadcast_text(processes_.rank() == 0 ? text : "another", processes_), text);
  EXPECT_EQ(broadcast_text("", processes_), "");
}

TEST_F(Collectives, ReportWhetherAnyProcessIsTrue) {
  EXPECT_TRUE(any_process(processes_.rank() == processes_.size() - 1, processes_));
  EXPECT_FALSE(any_process(false, processes_));
}

TEST_F(Collectives, GiveBitIdenticalResultsInAllProcesses) {
  at::Generator generator =
      at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(processes_.rank()) + 10);
  for (const std::int64_t length : {1, 7, 1000, 300000}) {
    at::Tensor sum = at::randn({length}, generator);
    processes_.all_reduce(sum);
    at::Tensor first = sum.clone();
    processes_.broadcast(first, 0);
    EXPECT_TRUE(at::equal(sum, first)) << length;
  }
}

// A loss computed from means over all processes has the gradient of the whole batch.
TEST_F(Collectives, AverageDifferentiably) {
  const at::Tensor whole = at::arange(6 * processes_.size(), at::kDouble).sin().requires_grad_();
  whole.mean().square().backward();

  const at::Tensor part =
      whole.detach().chunk(processes_.size())[processes_.rank()].clone().requires_grad_();
  const at::Tensor loss = average(part.mean(), processes_).square();
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), whole.mean().square().item<double>(), 1e-14);
  // Like the trainer, divides the gradient of the part by the number of processes.
  const at::Tensor expected = whole.grad().chunk(processes_.size())[processes_.rank()];
  EXPECT_TRUE(at::allclose(part.grad() / size(), expected, 1e-12, 1e-14));
}

TEST_F(Collectives, WaitWithoutUsingTheCpu) {
  processes_.barrier();
  const std::clock_t before = std::clock();
  const auto started = std::chrono::steady_clock::now();
  if (processes_.rank() == 0) std::this_thread::sleep_for(std::chrono::seconds(2));
  processes_.barrier();
  const double computed = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  if (processes_.size() > 1) {
    EXPECT_GE(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(1900));
  }
  EXPECT_LT(computed, 0.3) << "seconds of CPU time during a wait of two seconds";
}

TEST_F(Collectives, DetectProcessesThatAreOutOfStep) {
  at::Tensor tensor = at::zeros({processes_.rank() == 0 ? 3 : 4});
  if (processes_.size() == 1) {
    EXPECT_NO_THROW(processes_.all_reduce(tensor)) << "one process is in step with itself";
    return;
  }
  try {
    processes_.all_reduce(tensor);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the training processes are out of step"));
    EXPECT_THAT(error.what(), HasSubstr("all_reduce of " + std::to_string(tensor.numel()) +
                                        " x Float here, and a different call in another process"));
  }
}

}  // namespace
}  // namespace roboimi::testing
