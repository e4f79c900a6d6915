// The instructions of the tasks: meta/tasks.parquet (version 3) or meta/tasks.jsonl, by the value
// of task_index. The column subtask_index refers to a separate table, meta/subtasks.parquet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "plugins/lerobot_dataset/info_file.h"

namespace roboimi::lerobot_dataset {

struct TaskTable {
  std::filesystem::path file = {};  // empty: there is no table
  std::map<std::int64_t, std::string> texts = {};

  // Throws Error, with the known indices, if there is no such task. `where` names the data file.
  const std::string& text(std::int64_t index, const std::string& where) const;
};

// The table to which a column of indices refers. Throws Error if there is no table of subtasks.
TaskTable read_task_table(const InfoFile& info, const std::string& column = "task_index");

}  // namespace roboimi::lerobot_dataset
