// Comparison with a replay of the same scene and controls in MuJoCo's Python package.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "plugins/mujoco_env/mujoco_env.h"

namespace roboimi::mujoco_env {
namespace {

void write_row(std::ofstream& out, const mjtNum* values, int count) {
  for (int i = 0; i < count; ++i) out << fmt::format("{} ", values[i]);  // shortest exact form
}

// Writes an expert's episode in the format of tests/reference/mujoco_replay.py. Returns the number
// of control steps.
int write_episode(const std::filesystem::path& path) {
  MujocoEnv environment({});
  environment.reset(2, false);
  const std::unique_ptr<Expert> expert = environment.make_expert(0.0, 0);
  const mjModel* model = environment.world().model.get();
  const mjData* data = environment.data();
  const int nq = static_cast<int>(model->nq), nu = static_cast<int>(model->nu);
  std::ofstream out(path);
  out << nq << " " << nu << " " << kSubSteps << "\n";
  write_row(out, data->qpos, nq);
  out << "\n";
  write_row(out, data->ctrl, nu);
  out << "\n";
  int steps = 0;
  for (bool over = false; !over; ++steps) {
    over = environment.step(expert->act(), false).truncated;
    write_row(out, data->ctrl, nu);
    write_row(out, data->qpos, nq);
    out << "\n";
  }
  return steps;
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  char buffer[256];
  while (std::fgets(buffer, sizeof(buffer), pipe) != nullptr) text += buffer;
  pclose(pipe);
  return text;
}

TEST(MujocoEnv, MatchesMujocoInPythonOverAWholeEpisode) {
  const std::filesystem::path record =
      std::filesystem::path(testing::TempDir()) / "mujoco_env_record.txt";
  const int steps = write_episode(record);
  const std::string root = ROBOIMI_SOURCE_DIR;
  const std::string text =
      output_of(fmt::format("{0}/.venv/bin/python -W ignore {0}/tests/reference/mujoco_replay.py "
                            "{0}/assets/sim_transfer/sim_transfer.xml {1}",
                            root, record.string()));
  std::filesystem::remove(record);
  std::istringstream numbers(text);
  int replayed = 0;
  double largest = 1.0;
  numbers >> replayed >> largest;
  EXPECT_EQ(replayed, steps) << text;
  EXPECT_LE(largest, 1e-9);
}

}  // namespace
}  // namespace roboimi::mujoco_env
