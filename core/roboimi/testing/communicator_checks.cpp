#include "roboimi/testing/communicator_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <chrono>
#include <string>
#include <thread>

namespace roboimi::testing {
namespace {

std::shared_ptr<Communicator> get(const CommunicatorSubject& subject) {
  auto communicator = subject.get();
  require(communicator != nullptr, "the factory returns no communicator");
  return communicator;
}

// Integers small enough that their float sum does not depend on the order.
at::Tensor numbers_of(std::int64_t rank, at::ScalarType dtype) {
  return (at::arange(12).view({3, 4}) + 100 * rank).to(dtype);
}

void ranks_fit(const CommunicatorSubject& subject) {
  const auto communicator = get(subject);
  const std::int64_t rank = communicator->rank(), size = communicator->size();
  require(size >= 1 && rank >= 0 && rank < size,
          fmt::format("rank() {} is not between 0 and size() {} - 1", rank, size));
  const std::int64_t local = communicator->local_rank();
  require(local >= 0 && local < size, "local_rank() is not a rank of this machine");
}

void sums_are_over_all_processes(const CommunicatorSubject& subject) {
  const auto communicator = get(subject);
  const std::int64_t size = communicator->size();
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kLong}) {
    at::Tensor sum = numbers_of(communicator->rank(), dtype);
    communicator->all_reduce(sum);
    at::Tensor expected = at::zeros_like(sum);
    for (std::int64_t rank = 0; rank < size; ++rank) expected += numbers_of(rank, dtype);
    require(
        at::equal(sum, expected),
        fmt::format("all_reduce() of {} is not the sum over the processes", c10::toString(dtype)));
  }
}

void layout_does_not_matter(const CommunicatorSubject& subject) {
  const auto communicator = get(subject);
  at::Tensor plain = numbers_of(communicator->rank(), at::kFloat);
  at::Tensor base = at::zeros({4, 6});
  at::Tensor strided = base.slice(1, 0, 3).t();  // [3, 4], a view with gaps
  strided.copy_(plain);
  communicator->all_reduce(plain);
  communicator->all_reduce(strided);
  require(at::equal(strided, plain), "all_reduce() of a strided tensor gives different values");
  require(base.slice(1, 3).abs().sum().item<double>() == 0.0,
          "all_reduce() writes outside the tensor that it is given");
}

void broadcast_copies_the_root(const CommunicatorSubject& subject) {
  const auto communicator = get(subject);
  for (std::int64_t root = 0; root < communicator->size(); ++root) {
    at::Tensor values = numbers_of(communicator->rank(), at::kFloat);
    communicator->broadcast(values, root);
    require(at::equal(values, numbers_of(root, at::kFloat)),
            fmt::format("broadcast() from rank {} does not return that rank's values", root));
  }
}

void strings_and_votes_are_shared(const CommunicatorSubject& subject) {
  const auto communicator = get(subject);
  const std::string text = communicator->rank() == 0 ? std::string("a\0b", 3) : "other";
  require(broadcast_text(text, *communicator) == std::string("a\0b", 3),
          "broadcast_text() does not return rank 0's string");
  require(!any_process(false, *communicator), "any_process() is true although all pass false");
  require(any_process(communicator->rank() == communicator->size() - 1, *communicator),
          "any_process() ignores the last process");
}

void the_average_has_the_gradient_of_the_whole_batch(const CommunicatorSubject& subject) {
  const auto communicator = get(subject);
  const at::Tensor local =
      at::full({2}, 1.0 + static_cast<double>(communicator->rank())).requires_grad_(true);
  const at::Tensor mean = average(local, *communicator);
  const double expected = 0.5 * static_cast<double>(communicator->size() + 1);
  require((mean - expected).abs().max().item<double>() < 1e-6,
          "average() is not the mean over the processes");
  mean.square().sum().backward();
  // The trainer averages the processes' gradients, so each must be that of the whole sum.
  require((local.grad() - 2.0 * expected).abs().max().item<double>() < 1e-5,
          "the gradient of average() is not the mean of the processes' gradients");
}

void barriers_return(const CommunicatorSubject& subject) {
  const auto communicator = get(subject);
  for (int i = 0; i < 3; ++i) communicator->barrier();
}

// Nanoseconds of a clock that all processes of a machine share.
std::int64_t now() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void barriers_wait_for_all(const CommunicatorSubject& subject) {
  constexpr std::chrono::milliseconds kDelay(100);
  const auto communicator = get(subject);
  const std::int64_t rank = communicator->rank();
  if (any_process(communicator->local_rank() != rank, *communicator)) {
    skip("the processes are on several machines, whose clocks differ");
  }
  for (std::int64_t late = 0; late < communicator->size(); ++late) {
    // One process comes later than the others.
    communicator->barrier();
    if (rank == late) std::this_thread::sleep_for(kDelay);
    at::Tensor entered = at::scalar_tensor(now(), at::kLong);
    communicator->barrier();
    const std::int64_t left = now();
    // No process may leave the barrier before that one has entered it.
    communicator->broadcast(entered, late);
    require(!any_process(left < entered.item<std::int64_t>(), *communicator),
            fmt::format("a process leaves barrier() before rank {} has entered it", late));
  }
}

}  // namespace

const std::vector<Check<CommunicatorSubject>>& communicator_checks() {
  static const std::vector<Check<CommunicatorSubject>> checks = {
      {"ranks_fit", "each process trains on its own part of a batch", ranks_fit},
      {"sums_are_over_all_processes", "gradients are averaged", sums_are_over_all_processes},
      {"layout_does_not_matter", "parameters are views of larger buffers", layout_does_not_matter},
      {"broadcast_copies_the_root", "all processes start with the same weights",
       broadcast_copies_the_root},
      {"strings_and_votes_are_shared", "the processes agree on when to stop",
       strings_and_votes_are_shared},
      {"the_average_has_the_gradient_of_the_whole_batch", "some losses are not a mean over samples",
       the_average_has_the_gradient_of_the_whole_batch},
      {"barriers_return", "a run must not hang", barriers_return},
      {"barriers_wait_for_all", "rank 0 prepares the data first", barriers_wait_for_all},
  };
  return checks;
}

}  // namespace roboimi::testing
