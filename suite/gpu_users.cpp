#include "suite/gpu_users.h"

#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/processes.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

std::string query_users(std::int64_t gpu) {
  ProcessResult answer;
  try {
    answer = run_process({"nvidia-smi", "--query-compute-apps=pid,process_name",
                          "--format=csv,noheader", "-i", std::to_string(gpu)},
                         "", std::chrono::seconds(10));
  } catch (const Error&) {
    return "";  // without nvidia-smi, the run itself reports problems
  }
  // A GPU whose driver hangs is not free. The supervisor must not wait for it.
  if (answer.timed_out) return "an unknown process: nvidia-smi does not answer";
  std::string users;
  std::istringstream lines(answer.status == 0 ? answer.output : "");
  for (std::string line; std::getline(lines, line);) {
    const std::size_t comma = line.find(", ");
    if (comma == std::string::npos) continue;
    users += (users.empty() ? "process " : ", process ") + printable(line.substr(0, comma)) + " (" +
             printable(line.substr(comma + 2)) + ")";
  }
  return users;
}

}  // namespace

std::string GpuUsers::of(std::int64_t gpu) {
  const auto now = std::chrono::steady_clock::now();
  const auto known = answers_.find(gpu);
  if (known != answers_.end() && now - known->second.when < std::chrono::seconds(5)) {
    return known->second.users;
  }
  answers_[gpu] = {now, query_users(gpu)};
  return answers_[gpu].users;
}

}  // namespace roboimi
