#include "roboimi/train/team.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sched.h>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {

std::shared_ptr<Communicator> join_processes(const Options& experiment) {
  if (!experiment.has("communicator")) return std::make_shared<SingleProcess>();
  const auto communicator = Registry::instance().create<Communicator>(
      experiment.component("communicator"), "communicator");
  if (communicator->rank() != 0) logger().set_level(spdlog::level::warn);
  return communicator;
}

void require_same_configuration(const std::string& yaml, Communicator& communicator) {
  const bool differs = broadcast_text(yaml, communicator) != yaml;
  if (!any_process(differs, communicator)) return;
  throw Error(
      {.what = "the processes of one training were given different configurations",
       .where = fmt::format("rank {} of {}", communicator.rank(), communicator.size()),
       .expected = "rank 0's configuration in every process",
       .found = differs ? "a different one in this process" : "a different one in another process",
       .next = "start all processes with one command, by mpirun, torchrun or srun"});
}

void warn_of_few_cores(const Communicator& communicator) {
  cpu_set_t cores;
  if (communicator.size() == 1 || communicator.rank() != 0) return;
  if (::sched_getaffinity(0, sizeof(cores), &cores) != 0) return;
  const int threads = at::get_num_threads(), available = CPU_COUNT(&cores);
  if (threads <= available) return;
  logger().warn(
      "each process uses {} threads but is bound to {} core(s): allow more cores, for example with "
      "`mpirun --bind-to none`, or set train.threads={}",
      threads, available, available);
}

}  // namespace roboimi
