#include "plugins/lerobot_dataset/task_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "plugins/lerobot_dataset/json_file.h"
#include "roboimi/common/error.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kListedTasks = 20;  // indices in an error

[[noreturn]] void fail_format(const std::string& where, const std::string& found) {
  throw Error({.what = "the task table has an unknown form",
               .where = where,
               .expected = "an integer task_index and a string",
               .found = found,
               .next = "restore the table, or set data.task=none to train without instructions"});
}

void add(TaskTable& table, std::int64_t index, std::string text, const std::string& where) {
  const auto [known, is_new] = table.texts.try_emplace(index, text);
  if (is_new || known->second == text) return;
  throw Error({.what = fmt::format("task_index {} has two strings", index),
               .where = where,
               .found = fmt::format("'{}' and '{}'", known->second, text),
               .next = "give every task a different index"});
}

// The column of instructions is "task", or the index that pandas stored, or else the first column
// of strings.
std::string text_column(const parquet::Reader& reader) {
  std::vector<std::string> names;
  for (const parquet::Column& column : reader.columns()) {
    if (column.type == parquet::Type::kByteArray && column.list_depth == 0) {
      names.push_back(column.name);
    }
  }
  if (names.empty()) fail_format(reader.file().string(), "no column of strings");
  for (const char* name : {"task", "__index_level_0__"}) {
    if (std::ranges::find(names, name) != names.end()) return name;
  }
  return names.front();
}

void read_parquet(const fs::path& file, TaskTable& table) {
  const parquet::Reader reader(file);
  if (reader.find("task_index") == nullptr) fail_format(file.string(), "no column task_index");
  const auto indices = reader.read_integers("task_index", 0, reader.num_rows());
  auto texts = reader.read_strings(text_column(reader), 0, reader.num_rows());
  for (std::size_t row = 0; row < indices.size(); ++row) {
    add(table, indices[row], std::move(texts[row]), file.string());
  }
}

void read_lines(const fs::path& file, TaskTable& table) {
  read_json_lines(file, [&](const Json& row, std::int64_t line) {
    const std::string where = fmt::format("{}:{}", file.string(), line);
    if (!row.is_object() || !row.contains("task_index") || !row.contains("task") ||
        !row["task_index"].is_number_integer() || !row["task"].is_string()) {
      fail_format(where, shown(row));
    }
    add(table, row["task_index"].get<std::int64_t>(), row["task"].get<std::string>(), where);
  });
}

}  // namespace

const std::string& TaskTable::text(std::int64_t index, const std::string& where) const {
  if (const auto found = texts.find(index); found != texts.end()) return found->second;
  std::vector<std::int64_t> known;
  for (const auto& [number, text] : texts) {
    if (known.size() < kListedTasks) known.push_back(number);
  }
  throw Error({.what = fmt::format("task {} is not in the task table", index),
               .where = where,
               .expected = fmt::format("one of {}{} ({})", fmt::join(known, ", "),
                                       known.size() < texts.size() ? ", ..." : "", file.string()),
               .found = std::to_string(index),
               .next = "add the task to the table, or set data.task=none to train without "
                       "instructions"});
}

TaskTable read_task_table(const InfoFile& info) {
  TaskTable table;
  const fs::path file = info.folder() / "meta" / (info.is_v3 ? "tasks.parquet" : "tasks.jsonl");
  if (!fs::exists(file)) return table;
  table.file = file;
  info.is_v3 ? read_parquet(file, table) : read_lines(file, table);
  return table;
}

}  // namespace roboimi::lerobot_dataset
