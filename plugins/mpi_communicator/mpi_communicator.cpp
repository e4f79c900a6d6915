#include "plugins/mpi_communicator/mpi_communicator.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "plugins/mpi_communicator/mpi_process.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/config/declare.h"

namespace roboimi::mpi_communicator {
namespace {

using Clock = std::chrono::steady_clock;

// Short waits spin; long ones poll every few milliseconds.
constexpr std::chrono::microseconds kSpin{200};
constexpr std::chrono::microseconds kLongestSleep{5000};

bool is_narrow(at::ScalarType dtype) { return dtype == at::kHalf || dtype == at::kBFloat16; }

// The MPI datatype of a dtype that MPI can sum. Throws Error for others.
MPI_Datatype summable(at::ScalarType dtype, const std::string& where) {
  switch (dtype) {
    case at::kFloat:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    case at::kLong:
      return MPI_INT64_T;
    case at::kByte:
      return MPI_UINT8_T;
    default:
      fail_to_sum(dtype, where);
  }
}

// The tensor itself if it is contiguous in host memory with this dtype, else such a copy.
at::Tensor on_host(const at::Tensor& tensor, at::ScalarType dtype) {
  return tensor.detach().to(at::kCPU, dtype).contiguous();
}

// Copies the result into `tensor` unless on_host() returned the same memory.
void copy_back(const at::Tensor& host, at::Tensor& tensor) {
  if (host.const_data_ptr() != tensor.const_data_ptr()) tensor.copy_(host);
}

// Calls `exchange(first element, count)` for parts of at most `chunk_bytes`.
template <typename Exchange>
void in_chunks(const at::Tensor& host, std::int64_t chunk_bytes, Exchange exchange) {
  const auto item = static_cast<std::int64_t>(host.element_size());
  const std::int64_t most = std::max<std::int64_t>(1, chunk_bytes / item);
  auto* data = static_cast<std::byte*>(host.mutable_data_ptr());
  for (std::int64_t start = 0; start < host.numel(); start += most) {
    exchange(data + start * item, static_cast<int>(std::min(most, host.numel() - start)));
  }
}

}  // namespace

MpiCommunicator::MpiCommunicator(const MpiOptions& options) : options_(options) {
  join_processes();

  // A private copy of MPI_COMM_WORLD that returns errors instead of aborting.
  const std::string what = "create a communicator";
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &processes_), what, name());
  check_mpi(MPI_Comm_set_errhandler(processes_, MPI_ERRORS_RETURN), what, name());
  check_mpi(MPI_Comm_rank(processes_, &rank_), what, name());
  check_mpi(MPI_Comm_size(processes_, &size_), what, name());

  // The rank among the processes of this machine.
  MPI_Comm machine = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(processes_, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine), what,
            name());
  check_mpi(MPI_Comm_rank(machine, &local_rank_), what, name());
  check_mpi(MPI_Comm_free(&machine), what, name());
  if (rank_ != 0) return;
  if (size_ == 1) {
    logger().warn(
        "mpi_communicator: this is the only process; start several with mpirun: "
        "`mpirun -np 4 roboimi run ...`");
  } else {
    logger().info("training with {} processes", size_);
  }
}

void MpiCommunicator::all_reduce(at::Tensor& tensor) {
  const at::NoGradGuard no_grad;
  const at::ScalarType dtype = tensor.scalar_type();
  const at::Tensor host = on_host(tensor, is_narrow(dtype) ? at::kFloat : dtype);
  const MPI_Datatype type = summable(host.scalar_type(), name());
  check_in_step({.kind = CollectiveKind::kAllReduce, .dtype = dtype, .numel = tensor.numel()});
  in_chunks(host, options_.chunk_bytes, [&](std::byte* first, int count) {
    MPI_Request sum = MPI_REQUEST_NULL;
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, first, count, type, MPI_SUM, processes_, &sum),
              "sum over the processes", name());
    wait_for(sum);
  });
  copy_back(host, tensor);
}

void MpiCommunicator::broadcast(at::Tensor& tensor, std::int64_t root) {
  ROBOIMI_CHECK(root >= 0 && root < size_, c10::str("root ", root, " of ", size_));
  const at::NoGradGuard no_grad;
  const at::Tensor host = on_host(tensor, tensor.scalar_type());
  check_in_step({.kind = CollectiveKind::kBroadcast,
                 .dtype = tensor.scalar_type(),
                 .numel = tensor.numel(),
                 .root = root});
  const auto item = static_cast<int>(host.element_size());
  in_chunks(host, options_.chunk_bytes, [&](std::byte* first, int count) {
    MPI_Request copy = MPI_REQUEST_NULL;
    check_mpi(MPI_Ibcast(first, count * item, MPI_BYTE, static_cast<int>(root), processes_, &copy),
              "broadcast to the processes", name());
    wait_for(copy);
  });
  if (root != rank_) copy_back(host, tensor);
}

void MpiCommunicator::barrier() { check_in_step({.kind = CollectiveKind::kBarrier}); }

void MpiCommunicator::finish() {
  check_in_step({.kind = CollectiveKind::kFinish});
  check_mpi(MPI_Comm_free(&processes_), "free the communicator", name());
  leave_processes();
}

void MpiCommunicator::check_in_step(const CollectiveCall& call) {
  const CallSignature sent = call.signature();
  CallSignature largest{};
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallreduce(sent.data(), largest.data(), static_cast<int>(sent.size()), MPI_INT64_T,
                           MPI_MAX, processes_, &request),
            "compare the calls of the processes", name());
  wait_for(request);
  require_same_call(call, largest, name());
}

void MpiCommunicator::wait_for(MPI_Request& request) const {
  const auto started = Clock::now();
  for (int done = 0; done == 0;) {
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "wait for the processes", name());
    const auto waited =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started);
    if (done == 0 && waited > kSpin) {
      std::this_thread::sleep_for(std::min(waited / 16, kLongestSleep));
    }
  }
}

std::string MpiCommunicator::name() const {
  return fmt::format("mpi_communicator, rank {} of {}", rank_, size_);
}

static void declare(OptionFields& fields, MpiOptions& o) {
  fields
      .integer("chunk_bytes", o.chunk_bytes,
               "size of one exchange; larger tensors are exchanged in parts")
      .range(8, 1 << 30)
      .with_unit("bytes");
}

Schema schema() { return schema_of<MpiOptions>(); }

std::shared_ptr<Communicator> create(const Options& options) {
  return std::make_shared<MpiCommunicator>(options_from<MpiOptions>(options));
}

}  // namespace roboimi::mpi_communicator
