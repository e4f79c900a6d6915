#include "roboimi/contract/communicator.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>

namespace roboimi {
namespace {

at::Tensor averaged(const at::Tensor& local, Communicator& communicator) {
  at::Tensor sum = local.clone(at::MemoryFormat::Contiguous);
  communicator.all_reduce(sum);
  return sum.div_(static_cast<double>(communicator.size()));
}

struct Average : torch::autograd::Function<Average> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& local,
                            Communicator* communicator) {
    context->saved_data["communicator"] = reinterpret_cast<std::int64_t>(communicator);
    return averaged(local, *communicator);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto* communicator =
        reinterpret_cast<Communicator*>(context->saved_data["communicator"].toInt());
    return {averaged(gradients[0], *communicator), at::Tensor()};
  }
};

}  // namespace

Communicator::~Communicator() = default;

at::Tensor average(const at::Tensor& local, Communicator& communicator) {
  if (communicator.size() == 1) return local;
  return Average::apply(local, &communicator);
}

bool any_process(bool here, Communicator& communicator) {
  if (communicator.size() == 1) return here;
  at::Tensor count = at::full({}, here ? 1 : 0, at::kLong);
  communicator.all_reduce(count);
  return count.item<std::int64_t>() > 0;
}

std::string broadcast_text(const std::string& text, Communicator& communicator) {
  if (communicator.size() == 1) return text;
  at::Tensor length = at::full({}, static_cast<std::int64_t>(text.size()), at::kLong);
  communicator.broadcast(length, 0);
  at::Tensor bytes = at::empty({length.item<std::int64_t>()}, at::kByte);
  if (communicator.rank() == 0) {
    std::copy(text.begin(), text.end(), bytes.mutable_data_ptr<std::uint8_t>());
  }
  communicator.broadcast(bytes, 0);
  return {static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()};
}

void first_rank_first(Communicator& communicator, const std::function<void()>& work) {
  if (communicator.rank() != 0) communicator.barrier();
  work();
  if (communicator.rank() == 0) communicator.barrier();
}

}  // namespace roboimi
