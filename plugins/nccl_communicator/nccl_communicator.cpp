#include "plugins/nccl_communicator/nccl_communicator.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "plugins/nccl_communicator/backends.h"
#include "plugins/nccl_communicator/failure.h"
#include "plugins/nccl_communicator/process_store.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/config/declare.h"

namespace roboimi::nccl_communicator {
namespace {

// The dtype in which tensors of `dtype` are summed. Throws Error for others.
at::ScalarType dtype_of_sum(at::ScalarType dtype, const std::string& where) {
  switch (dtype) {
    case at::kHalf:
    case at::kBFloat16:
      return at::kFloat;
    case at::kFloat:
    case at::kDouble:
    case at::kLong:
    case at::kByte:
      return dtype;
    default:
      fail_to_sum(dtype, where);
  }
}

// Whether communicators with these options exchange tensors on a GPU by NCCL.
bool chooses_nccl(BackendChoice choice) {
  if (choice == BackendChoice::kGloo) return false;
  const std::string reason = why_no_nccl();
  if (reason.empty()) return true;
  if (choice == BackendChoice::kAuto) return false;
  throw Error({.what = "NCCL is not available",
               .where = "communicator.backend",
               .expected = "a build against a CUDA libtorch with NCCL, and a GPU",
               .found = reason,
               .next = "see docs/gpu.md, or set communicator.backend=gloo"});
}

void copy_back(const at::Tensor& exchanged, at::Tensor& tensor) {
  if (exchanged.const_data_ptr() != tensor.const_data_ptr()) tensor.copy_(exchanged);
}

template <typename Work>
void guarded(const std::string& action, const std::string& where, const Work& work) {
  try {
    work();
  } catch (const std::exception& error) {
    throw_failure(error, action, where);
  }
}

}  // namespace

std::string to_string(BackendChoice choice) {
  return choice == BackendChoice::kAuto ? "auto" : choice == BackendChoice::kNccl ? "nccl" : "gloo";
}

NcclCommunicator::NcclCommunicator(const NcclOptions& options)
    : options_(options),
      has_nccl_(chooses_nccl(options.backend)),
      launch_(read_launch(process_environment())) {
  connect();
  if (rank() != 0) return;
  if (size() == 1) {
    logger().warn(
        "nccl: this is the only process; start several with torchrun, mpirun or srun: "
        "`torchrun --no-python --nproc-per-node 4 roboimi run ...`");
  } else {
    logger().info("training with {} processes, started by {}; tensors on a GPU are exchanged by {}",
                  size(), launch_.launcher, has_nccl_ ? "NCCL" : "gloo, through host memory");
  }
}

void NcclCommunicator::connect() {
  const std::chrono::seconds start_timeout(options_.start_timeout);
  try {
    store_ = join_store(launch_, start_timeout);
    gloo_ = make_gloo(store_, launch_, start_timeout);
    gloo_->setTimeout(std::chrono::seconds(options_.timeout));
  } catch (const std::exception& error) {
    throw Error({.what = "the processes of this training did not find each other",
                 .where = name(),
                 .expected = fmt::format("{} processes, started by {}, at {}:{} within {} s",
                                         size(), launch_.launcher, launch_.host, launch_.port,
                                         options_.start_timeout),
                 .found = one_line_message(error),
                 .next =
                     "start all processes with one command, and check that the port is free and "
                     "reachable; MASTER_ADDR and MASTER_PORT choose another address"});
  }
}

NcclCommunicator::~NcclCommunicator() {
  if (nccl_ == nullptr) return;
  try {
    nccl_->abort();
  } catch (const std::exception& error) {
    logger().debug("nccl: {}", one_line_message(error));
  }
}

void NcclCommunicator::all_reduce(at::Tensor& tensor) {
  const at::NoGradGuard no_grad;
  const at::ScalarType dtype = tensor.scalar_type();
  const at::ScalarType summed = dtype_of_sum(dtype, name());
  const c10::Device device = exchange_device(tensor);
  check_in_step({.kind = CollectiveKind::kAllReduce,
                 .dtype = dtype,
                 .numel = tensor.numel(),
                 .device = device.type()});
  if (tensor.numel() == 0) return;
  const at::Tensor exchanged = tensor.detach().to(device, summed).contiguous();
  sum(backend_of(device), exchanged, c10d::ReduceOp::SUM, "sum over the processes");
  copy_back(exchanged, tensor);
}

void NcclCommunicator::broadcast(at::Tensor& tensor, std::int64_t root) {
  ROBOIMI_CHECK(root >= 0 && root < size(), c10::str("root ", root, " of ", size()));
  const at::NoGradGuard no_grad;
  const c10::Device device = exchange_device(tensor);
  check_in_step({.kind = CollectiveKind::kBroadcast,
                 .dtype = tensor.scalar_type(),
                 .numel = tensor.numel(),
                 .root = root,
                 .device = device.type()});
  if (tensor.numel() == 0) return;
  const at::Tensor exchanged = tensor.detach().to(device).contiguous();
  // As bytes, because the backends do not support every dtype.
  std::vector<at::Tensor> bytes = {exchanged.view({-1}).view(at::kByte)};
  guarded("broadcast to the processes", name(), [&] {
    c10d::BroadcastOptions options;
    options.rootRank = root;
    backend_of(device).broadcast(bytes, options)->wait();
  });
  if (root != rank()) copy_back(exchanged, tensor);
}

void NcclCommunicator::barrier() { check_in_step({.kind = CollectiveKind::kBarrier}); }

void NcclCommunicator::finish() {
  check_in_step({.kind = CollectiveKind::kFinish});
  if (nccl_ != nullptr) {
    guarded("end the exchange of tensors", name(), [&] { nccl_->shutdown(); });
    nccl_.reset();
    // NCCL ends together: no process may close the other connections before.
    check_in_step({.kind = CollectiveKind::kFinish});
  }
  gloo_.reset();
}

void NcclCommunicator::check_in_step(const CollectiveCall& call) {
  ROBOIMI_CHECK(gloo_ != nullptr, "a call after finish()");
  CallSignature signature = call.signature();
  sum(*gloo_,
      at::from_blob(signature.data(), {static_cast<std::int64_t>(signature.size())}, at::kLong),
      c10d::ReduceOp::MAX, "compare the calls of the processes");
  require_same_call(call, signature, name());
}

c10::Device NcclCommunicator::exchange_device(const at::Tensor& tensor) const {
  return has_nccl_ && tensor.is_cuda() ? tensor.device() : c10::Device(c10::kCPU);
}

c10d::Backend& NcclCommunicator::backend_of(c10::Device device) {
  if (device.is_cpu()) return *gloo_;
  if (nccl_ == nullptr) nccl_ = make_nccl(store_, launch_, std::chrono::seconds(options_.timeout));
  return *nccl_;
}

void NcclCommunicator::sum(c10d::Backend& backend, const at::Tensor& tensor,
                           c10d::ReduceOp operation, const std::string& action) {
  std::vector<at::Tensor> tensors = {tensor};
  guarded(action, name(), [&] {
    c10d::AllreduceOptions options;
    options.reduceOp = std::move(operation);
    // With NCCL, only the current stream of the GPU waits.
    backend.allreduce(tensors, options)->wait();
  });
}

std::string NcclCommunicator::name() const {
  return fmt::format("nccl, rank {} of {}", rank(), size());
}

static void declare(OptionFields& fields, NcclOptions& o) {
  fields.choice("backend", o.backend,
                named({BackendChoice::kAuto, BackendChoice::kNccl, BackendChoice::kGloo}),
                "how tensors on a GPU are exchanged: `nccl`, `gloo` (through host memory), or "
                "`auto`: NCCL if this build has it and there is a GPU");
  fields
      .integer("timeout", o.timeout,
               "how long a process waits for the others, also while rank 0 prepares the data or "
               "runs rollouts; a process that ends is noticed at once")
      .at_least(1)
      .with_unit("s");
  fields.integer("start_timeout", o.start_timeout, "time in which all processes must have started")
      .at_least(1)
      .with_unit("s");
}

Schema schema() { return schema_of<NcclOptions>(); }

std::shared_ptr<Communicator> create(const Options& options) {
  return std::make_shared<NcclCommunicator>(options_from<NcclOptions>(options));
}

}  // namespace roboimi::nccl_communicator
