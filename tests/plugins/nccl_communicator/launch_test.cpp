// Which process of a training this is, according to the variables of each launcher.
#include "plugins/nccl_communicator/launch.h"

#include <gmock/gmock.h>

#include <map>

#include "roboimi/common/error.h"

namespace roboimi::nccl_communicator {
namespace {

using ::testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

Launch read(const Variables& variables) {
  return read_launch([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

std::string error_of(const Variables& variables) {
  try {
    read(variables);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

const Variables kTorchrun = {{"RANK", "5"},
                             {"WORLD_SIZE", "8"},
                             {"LOCAL_RANK", "1"},
                             {"LOCAL_WORLD_SIZE", "4"},
                             {"MASTER_ADDR", "gpu01"},
                             {"MASTER_PORT", "29400"}};
const Variables kMpirun = {{"OMPI_COMM_WORLD_RANK", "2"},
                           {"OMPI_COMM_WORLD_SIZE", "3"},
                           {"OMPI_COMM_WORLD_LOCAL_RANK", "2"},
                           {"OMPI_COMM_WORLD_LOCAL_SIZE", "3"},
                           {"OMPI_MCA_ess_base_jobid", "1007812609"}};
const Variables kSrun = {{"SLURM_PROCID", "6"},
                         {"SLURM_NTASKS", "8"},
                         {"SLURM_LOCALID", "2"},
                         {"SLURM_NNODES", "2"},
                         {"SLURM_NODELIST", "gpu[03-04]"},
                         {"SLURM_JOB_ID", "4711"},
                         {"SLURM_STEP_ID", "0"}};

Variables with(Variables variables, const std::string& name, const std::string& value) {
  variables[name] = value;
  return variables;
}

Variables without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

TEST(Launch, OfASingleProcessHasNoLauncher) {
  const Launch launch = read({{"HOME", "/root"}});
  EXPECT_EQ(launch.launcher, "");
  EXPECT_EQ(launch.rank, 0);
  EXPECT_EQ(launch.size, 1);
  EXPECT_EQ(launch.local_rank, 0);
  EXPECT_TRUE(launch.one_machine);
}

TEST(Launch, ReadsTheVariablesOfTorchrun) {
  const Launch launch = read(kTorchrun);
  EXPECT_EQ(launch.launcher, "torchrun");
  EXPECT_EQ(launch.rank, 5);
  EXPECT_EQ(launch.size, 8);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.host, "gpu01");
  EXPECT_EQ(launch.port, 29400);
  EXPECT_FALSE(launch.one_machine);
  EXPECT_TRUE(launch.rank_0_hosts_store);
  EXPECT_TRUE(read(with(kTorchrun, "LOCAL_WORLD_SIZE", "8")).one_machine);
}

// torchrun's agent hosts the store, and starts failed processes again.
TEST(Launch, UsesTheStoreOfTorchrunsAgent) {
  const Launch launch = read(with(with(kTorchrun, "TORCHELASTIC_USE_AGENT_STORE", "True"),
                                  "TORCHELASTIC_RESTART_COUNT", "2"));
  EXPECT_FALSE(launch.rank_0_hosts_store);
  EXPECT_EQ(launch.store_prefix, "2");
}

TEST(Launch, ReadsTheVariablesOfMpirun) {
  const Launch launch = read(kMpirun);
  EXPECT_EQ(launch.launcher, "mpirun");
  EXPECT_EQ(launch.rank, 2);
  EXPECT_EQ(launch.size, 3);
  EXPECT_EQ(launch.local_rank, 2);
  EXPECT_TRUE(launch.one_machine);
  EXPECT_EQ(launch.host, "127.0.0.1");
}

TEST(Launch, NeedsTheAddressOfRank0ForMpirunOnSeveralMachines) {
  const Variables two_machines = with(kMpirun, "OMPI_COMM_WORLD_LOCAL_SIZE", "2");
  EXPECT_THAT(error_of(two_machines),
              HasSubstr("MASTER_ADDR: wrong environment variable of mpirun: "
                        "expected the machine of rank 0; found it is not set; "
                        "mpirun does not tell"));
  const Launch launch = read(with(two_machines, "MASTER_ADDR", "node7"));
  EXPECT_EQ(launch.host, "node7");
  EXPECT_FALSE(launch.one_machine);
}

TEST(Launch, ReadsTheVariablesOfSrun) {
  const Launch launch = read(kSrun);
  EXPECT_EQ(launch.launcher, "srun");
  EXPECT_EQ(launch.rank, 6);
  EXPECT_EQ(launch.size, 8);
  EXPECT_EQ(launch.local_rank, 2);
  EXPECT_FALSE(launch.one_machine);
  EXPECT_EQ(launch.host, "gpu03");
  EXPECT_TRUE(read(with(kSrun, "SLURM_NNODES", "1")).one_machine);
}

// A job may have more tasks and machines than the step that srun starts in it.
TEST(Launch, PrefersTheStepOfSlurmToTheJob) {
  Variables step = with(kSrun, "SLURM_STEP_NUM_TASKS", "7");
  step = with(with(step, "SLURM_STEP_NUM_NODES", "2"), "SLURM_STEP_NODELIST", "gpu04,gpu05");
  EXPECT_EQ(read(step).size, 7);
  EXPECT_EQ(read(step).host, "gpu04");
}

TEST(Launch, FindsTheLaunchNodeOfSlurmWithoutANodeList) {
  const Variables variables =
      with(without(kSrun, "SLURM_NODELIST"), "SLURM_LAUNCH_NODE_IPADDR", "10.0.0.7");
  EXPECT_EQ(read(variables).host, "10.0.0.7");
  EXPECT_THAT(error_of(without(kSrun, "SLURM_NODELIST")),
              HasSubstr("SLURM_STEP_NODELIST: wrong environment variable of srun"));
}

TEST(Launch, PrefersTheInnermostLauncher) {
  Variables nested = kSrun;
  nested.insert(kMpirun.begin(), kMpirun.end());
  EXPECT_EQ(read(nested).launcher, "mpirun");
  nested.insert(kTorchrun.begin(), kTorchrun.end());
  EXPECT_EQ(read(nested).launcher, "torchrun");
}

TEST(Launch, DerivesTheSamePortInAllProcessesOfAJob) {
  const std::uint16_t port = read(kSrun).port;
  EXPECT_GE(port, 20000);
  EXPECT_LT(port, 30000);
  EXPECT_EQ(read(with(kSrun, "SLURM_PROCID", "0")).port, port);
  EXPECT_NE(read(with(kSrun, "SLURM_JOB_ID", "4712")).port, port);
  EXPECT_NE(read(with(kSrun, "SLURM_STEP_ID", "1")).port, port);
  EXPECT_NE(read(kMpirun).port, read(with(kMpirun, "OMPI_MCA_ess_base_jobid", "12")).port);
  for (const Variables& variables : {kSrun, kMpirun}) {
    EXPECT_EQ(read(with(variables, "MASTER_PORT", "1234")).port, 1234);
  }
}

TEST(Launch, NamesTheVariableThatIsMissing) {
  for (const Variables& launcher : {kTorchrun, kMpirun, kSrun}) {
    const std::string name = read(launcher).launcher;
    for (const auto& [variable, value] : launcher) {
      const bool is_optional = variable == "LOCAL_WORLD_SIZE" || variable == "SLURM_NODELIST" ||
                               variable == "SLURM_NNODES" || variable == "SLURM_JOB_ID" ||
                               variable == "SLURM_STEP_ID" || variable == "SLURM_PROCID" ||
                               variable == "OMPI_COMM_WORLD_LOCAL_SIZE" ||
                               variable == "OMPI_MCA_ess_base_jobid";
      if (is_optional) continue;
      EXPECT_THAT(error_of(without(launcher, variable)),
                  HasSubstr(variable + ": wrong environment variable of " + name));
    }
  }
}

TEST(Launch, NamesTheVariableThatIsWrong) {
  EXPECT_THAT(
      error_of(with(kTorchrun, "RANK", "8")),
      HasSubstr("RANK: wrong environment variable of torchrun: expected an integer from 0 to "
                "7; found '8'"));
  EXPECT_THAT(
      error_of(with(kTorchrun, "WORLD_SIZE", "four")),
      HasSubstr("WORLD_SIZE: wrong environment variable of torchrun: expected an integer from "
                "1 to 2147483647; found 'four'"));
  EXPECT_THAT(error_of(with(kTorchrun, "MASTER_PORT", "70000")), HasSubstr("found '70000'"));
  EXPECT_THAT(error_of(with(kTorchrun, "LOCAL_RANK", "1 ")), HasSubstr("found '1 '"));
  EXPECT_THAT(error_of(with(kMpirun, "OMPI_COMM_WORLD_LOCAL_RANK", "-1")), HasSubstr("found '-1'"));
}

TEST(FirstNode, IsTheFirstMachineOfASlurmNodeList) {
  EXPECT_EQ(first_node("gpu01"), "gpu01");
  EXPECT_EQ(first_node("gpu01,gpu02"), "gpu01");
  EXPECT_EQ(first_node("gpu[03-05,07],login"), "gpu03");
  EXPECT_EQ(first_node("gpu[3,5-7]"), "gpu3");
  EXPECT_EQ(first_node("rack[1-2]node[04-06]-ib,x"), "rack1node04-ib");
  EXPECT_EQ(first_node(""), "");
}

}  // namespace
}  // namespace roboimi::nccl_communicator
