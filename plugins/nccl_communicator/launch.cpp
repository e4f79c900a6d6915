#include "plugins/nccl_communicator/launch.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <limits>

#include "roboimi/common/error.h"

namespace roboimi::nccl_communicator {
namespace {

// Ports for launchers that do not choose one: below those that Linux gives to clients.
constexpr std::uint64_t kFirstPort = 20000;
constexpr std::uint64_t kNumPorts = 10000;

// The variables of one launcher.
class Variables {
 public:
  Variables(const Environment& environment, std::string launcher)
      : environment_(environment), launcher_(std::move(launcher)) {}

  std::optional<std::string> find(const std::string& name) const { return environment_(name); }

  // The first of these variables that is set. Throws Error naming the first one if none is.
  std::string text(std::initializer_list<std::string> names, const std::string& expected,
                   const std::string& next) const {
    for (const std::string& name : names) {
      if (const auto value = find(name); value && !value->empty()) return *value;
    }
    fail(*names.begin(), expected, "it is not set", next);
  }

  std::int64_t number(const std::string& name, std::int64_t least, std::int64_t most) const {
    const std::string expected = most == std::numeric_limits<std::int64_t>::max()
                                     ? fmt::format("an integer of at least {}", least)
                                     : fmt::format("an integer from {} to {}", least, most);
    const std::string value = text({name}, expected, "start all processes with " + launcher_);
    std::int64_t number = 0;
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error == std::errc() && stop == end && number >= least && number <= most) return number;
    fail(name, expected, "'" + value + "'", "");
  }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& expected,
                         const std::string& found, const std::string& next) const {
    throw Error({.what = "wrong environment variable of " + launcher_,
                 .where = name,
                 .expected = expected,
                 .found = found,
                 .next = next});
  }

  const Environment& environment_;
  std::string launcher_;
};

void read_ranks(Launch& launch, const Variables& variables, const std::string& rank,
                const std::string& size, const std::string& local_rank) {
  launch.size = variables.number(size, 1, std::numeric_limits<int>::max());
  launch.rank = variables.number(rank, 0, launch.size - 1);
  launch.local_rank = variables.number(local_rank, 0, launch.size - 1);
}

std::uint16_t port_of(const Variables& variables) {
  return static_cast<std::uint16_t>(variables.number("MASTER_PORT", 1, 65535));
}

// MASTER_PORT, or a port that follows from the name of the job, which all its processes know.
std::uint16_t port_or_derived(const Variables& variables, const std::string& job) {
  if (variables.find("MASTER_PORT")) return port_of(variables);
  return static_cast<std::uint16_t>(kFirstPort + std::hash<std::string>()(job) % kNumPorts);
}

Launch from_torchrun(const Variables& variables) {
  Launch launch{.launcher = "torchrun"};
  read_ranks(launch, variables, "RANK", "WORLD_SIZE", "LOCAL_RANK");
  const std::string next = "torchrun sets it";
  launch.host = variables.text({"MASTER_ADDR"}, "the machine of rank 0", next);
  launch.port = port_of(variables);
  launch.one_machine = variables.find("LOCAL_WORLD_SIZE") == variables.find("WORLD_SIZE");
  // torchrun restarts failed processes, which must not find the keys of the former ones.
  launch.rank_0_hosts_store = variables.find("TORCHELASTIC_USE_AGENT_STORE") != "True";
  launch.store_prefix = variables.find("TORCHELASTIC_RESTART_COUNT").value_or("0");
  return launch;
}

Launch from_mpirun(const Variables& variables) {
  Launch launch{.launcher = "mpirun"};
  read_ranks(launch, variables, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
             "OMPI_COMM_WORLD_LOCAL_RANK");
  const auto on_this_machine = variables.find("OMPI_COMM_WORLD_LOCAL_SIZE");
  launch.one_machine = on_this_machine == variables.find("OMPI_COMM_WORLD_SIZE");
  if (!launch.one_machine || variables.find("MASTER_ADDR")) {
    launch.host = variables.text({"MASTER_ADDR"}, "the machine of rank 0",
                                 "mpirun does not tell the processes where rank 0 is: mpirun -x "
                                 "MASTER_ADDR=NAME ...");
  }
  launch.port =
      port_or_derived(variables, variables.find("OMPI_MCA_ess_base_jobid")
                                     .value_or(variables.find("PMIX_NAMESPACE").value_or("")));
  return launch;
}

Launch from_srun(const Variables& variables) {
  Launch launch{.launcher = "srun"};
  // In a job script, SLURM_NTASKS is that of the job, in a step that of the step.
  const bool is_step = variables.find("SLURM_STEP_NUM_TASKS").has_value();
  read_ranks(launch, variables, "SLURM_PROCID", is_step ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS",
             "SLURM_LOCALID");
  const auto nodes = variables.find(is_step ? "SLURM_STEP_NUM_NODES" : "SLURM_NNODES");
  launch.one_machine = nodes == "1" || launch.size == 1;
  if (variables.find("MASTER_ADDR")) {
    launch.host = variables.text({"MASTER_ADDR"}, "the machine of rank 0", "");
  } else if (!launch.one_machine) {
    launch.host = first_node(variables.text(
        {"SLURM_STEP_NODELIST", "SLURM_NODELIST", "SLURM_JOB_NODELIST", "SLURM_LAUNCH_NODE_IPADDR"},
        "the machines of the job", "set MASTER_ADDR to the machine of rank 0"));
  }
  launch.port = port_or_derived(variables, variables.find("SLURM_JOB_ID").value_or("") + "." +
                                               variables.find("SLURM_STEP_ID").value_or(""));
  return launch;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Launch read_launch(const Environment& environment) {
  const auto is_set = [&](const char* name) { return environment(name).has_value(); };
  if (is_set("RANK") || is_set("WORLD_SIZE")) return from_torchrun({environment, "torchrun"});
  if (is_set("OMPI_COMM_WORLD_RANK") || is_set("OMPI_COMM_WORLD_SIZE")) {
    return from_mpirun({environment, "mpirun"});
  }
  if (is_set("SLURM_PROCID")) return from_srun({environment, "srun"});
  return {};
}

std::string first_node(const std::string& node_list) {
  std::string node;
  bool in_brackets = false, is_first = true;  // is_first: of the alternatives in brackets
  for (const char c : node_list) {
    if (c == ',' && !in_brackets) break;
    if (c == '[' || c == ']') {
      in_brackets = c == '[';
      is_first = true;
    } else if (in_brackets && (c == '-' || c == ',')) {
      is_first = false;
    } else if (!in_brackets || is_first) {
      node += c;
    }
  }
  return node;
}

}  // namespace roboimi::nccl_communicator
