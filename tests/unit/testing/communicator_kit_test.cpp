// Tests of the communicator checks, with two threads in the role of two processes.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <barrier>
#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "roboimi/testing/communicator_checks.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

enum class CommunicatorFault {
  kNone,
  kBadRank,
  kOwnSum,
  kIgnoresStrides,
  kOwnValues,
  kNoBytes,
  kHalfGradient,
  kThrowingBarrier,
  kBarrierWithoutWaiting,
};

// The memory that the two threads share.
struct SharedMemory {
  std::barrier<> barrier{2};
  std::array<at::Tensor, 2> tensors;
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(SharedMemory& shared, std::int64_t rank, CommunicatorFault fault)
      : shared_(shared), rank_(rank), fault_(fault) {}
  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return fault_ == CommunicatorFault::kBadRank ? rank_ : 2; }
  std::int64_t local_rank() const override { return rank_; }
  void barrier() override {
    if (fault_ == CommunicatorFault::kThrowingBarrier)
      throw std::runtime_error("a process has left");
    if (fault_ != CommunicatorFault::kBarrierWithoutWaiting) wait();
  }
  void finish() override { wait(); }

  void all_reduce(at::Tensor& tensor) override {
    exchange(tensor);
    const bool is_mean =
        fault_ == CommunicatorFault::kHalfGradient && tensor.numel() == 2 && ++means_ == 2;
    at::Tensor sum = shared_.tensors[0] + shared_.tensors[1];
    if (fault_ == CommunicatorFault::kOwnSum) sum = 2 * shared_.tensors[mine()];
    if (is_mean) sum = sum / 2;
    wait();
    if (fault_ == CommunicatorFault::kIgnoresStrides && !tensor.is_contiguous()) {
      // The fault: treat the tensor as contiguous.
      at::Tensor memory = at::from_blob(tensor.data_ptr(), {tensor.numel()});
      memory.copy_(sum.flatten());
      return;
    }
    tensor.copy_(sum);
  }
  void broadcast(at::Tensor& tensor, std::int64_t root) override {
    exchange(tensor);
    at::Tensor values = shared_.tensors[static_cast<std::size_t>(root)];
    if (fault_ == CommunicatorFault::kOwnValues) values = shared_.tensors[mine()];
    if (fault_ == CommunicatorFault::kNoBytes && values.scalar_type() == at::kByte)
      values = values * 0;
    wait();
    tensor.copy_(values);
  }

 private:
  std::size_t mine() const { return static_cast<std::size_t>(rank_); }
  void exchange(const at::Tensor& tensor) {
    shared_.tensors[mine()] = tensor.detach().clone();
    wait();
  }
  void wait() { shared_.barrier.arrive_and_wait(); }

  SharedMemory& shared_;
  std::int64_t rank_;
  CommunicatorFault fault_;
  int means_ = 0;
};

class GivenCommunicator : public CommunicatorSubject {
 public:
  explicit GivenCommunicator(std::shared_ptr<Communicator> communicator)
      : communicator_(std::move(communicator)) {}
  std::shared_ptr<Communicator> get() const override { return communicator_; }

 private:
  std::shared_ptr<Communicator> communicator_;
};

// The status of one check in both threads.
std::array<CheckStatus, 2> run_twice(const Check<CommunicatorSubject>& check,
                                     CommunicatorFault fault) {
  SharedMemory shared;
  std::array<CheckStatus, 2> statuses;
  std::vector<std::thread> threads;
  for (const std::int64_t rank : {0, 1}) {
    threads.emplace_back([&, rank] {
      const GivenCommunicator subject(std::make_shared<ThreadCommunicator>(shared, rank, fault));
      statuses[static_cast<std::size_t>(rank)] = run_check(check, subject).status;
      // A check that fails in one thread leaves the other waiting.
      if (statuses[static_cast<std::size_t>(rank)] == CheckStatus::kFailed) {
        shared.barrier.arrive_and_drop();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return statuses;
}

TEST(CommunicatorKit, PassesASingleProcess) {
  const GivenCommunicator subject(std::make_shared<SingleProcess>());
  EXPECT_THAT(failing_checks(communicator_checks(), subject), IsEmpty());
}

TEST(CommunicatorKit, PassesTwoProcessesWithoutAFault) {
  for (const Check<CommunicatorSubject>& check : communicator_checks()) {
    for (const CheckStatus status : run_twice(check, CommunicatorFault::kNone)) {
      EXPECT_EQ(status, CheckStatus::kPassed) << check.name;
    }
  }
}

TEST(CommunicatorKit, FindsEachFault) {
  for (const auto& [fault, name] :
       {std::pair(CommunicatorFault::kBadRank, "ranks_fit"),
        std::pair(CommunicatorFault::kOwnSum, "sums_are_over_all_processes"),
        std::pair(CommunicatorFault::kIgnoresStrides, "layout_does_not_matter"),
        std::pair(CommunicatorFault::kOwnValues, "broadcast_copies_the_root"),
        std::pair(CommunicatorFault::kNoBytes, "strings_and_votes_are_shared"),
        std::pair(CommunicatorFault::kHalfGradient,
                  "the_average_has_the_gradient_of_the_whole_batch"),
        std::pair(CommunicatorFault::kThrowingBarrier, "barriers_return"),
        std::pair(CommunicatorFault::kBarrierWithoutWaiting, "barriers_wait_for_all")}) {
    EXPECT_THAT(run_twice(check_named(communicator_checks(), name), fault),
                Contains(CheckStatus::kFailed))
        << name;
  }
}

}  // namespace
}  // namespace roboimi::testing
