// A program for several processes, of which rank 1 fails: nccl_failing_process HOW.
#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include "plugins/nccl_communicator/nccl_communicator.h"
#include "roboimi/common/error.h"

namespace {

int run(const std::string& how) {
  using std::chrono::seconds;
  const auto launch =
      roboimi::nccl_communicator::read_launch(roboimi::nccl_communicator::process_environment());
  if (how == "absent" && launch.rank == 1) return 0;
  roboimi::nccl_communicator::NcclCommunicator processes(
      {.timeout = how == "hang" ? 2 : 60, .start_timeout = how == "absent" ? 4 : 60});
  at::Tensor tensor = at::ones({4});
  processes.all_reduce(tensor);
  const bool fails = processes.rank() == 1;
  if (fails && how == "error") throw roboimi::Error("the disk of rank 1 is full");
  if (fails && how == "silence") return 0;
  if (fails && how == "crash") __builtin_trap();
  if (fails && how == "hang") std::this_thread::sleep_for(seconds(6));
  processes.barrier();
  processes.finish();
  return 0;
}

}  // namespace

// Each message is written at once, so that those of several processes do not mix.
int main(int, char** arguments) {
  try {
    const int status = run(arguments[1]);
    std::cerr << "finished with status " + std::to_string(status) + "\n";
    return status;
  } catch (const roboimi::Error& error) {
    std::cerr << std::string("failing_process: ") + error.what() + "\n";
    return 1;
  }
}
