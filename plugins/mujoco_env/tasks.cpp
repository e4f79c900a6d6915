#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plugins/mujoco_env/task.h"
#include "plugins/mujoco_env/transfer_task.h"
#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

template <typename T>
std::unique_ptr<Task> make(const World& world) {
  return std::make_unique<T>(world);
}

}  // namespace

Task::~Task() = default;

const std::vector<TaskRow>& tasks() {
  static const std::vector<TaskRow> rows = {
      {"sim_transfer", embedded_mjcf("sim_transfer.xml"), make<TransferTask>},
  };
  return rows;
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const TaskRow& row : tasks()) names.push_back(row.name);
  return names;
}

const TaskRow& find_task(const std::string& name) {
  const auto found = std::find_if(tasks().begin(), tasks().end(),
                                  [&](const TaskRow& row) { return row.name == name; });
  if (found != tasks().end()) return *found;
  throw Error({.what = "unknown task",
               .where = "env.task",
               .expected = fmt::format("{}", fmt::join(task_names(), ", ")),
               .found = name});
}

}  // namespace roboimi::mujoco_env
