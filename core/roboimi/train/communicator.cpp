#include "roboimi/train/communicator.h"

#include <torch/csrc/autograd/custom_function.h>

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

}  // namespace roboimi
