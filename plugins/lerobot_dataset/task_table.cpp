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
constexpr char kSubtaskIndex[] = "subtask_index";
constexpr char kNext[] = "restore the table, or set data.task=none to train without instructions";

// The names of a table's columns, and of its file without extension.
struct TableNames {
  std::string index = "task_index", text = "task", file = "tasks";
};

[[noreturn]] void fail_format(const std::string& where, const TableNames& names,
                              const std::string& found) {
  throw Error({.what = "the task table has an unknown form",
               .where = where,
               .expected = fmt::format("an integer {} and a string", names.index),
               .found = found,
               .next = kNext});
}

void add(TaskTable& table, std::int64_t index, std::string text, const std::string& where) {
  const auto [known, is_new] = table.texts.try_emplace(index, text);
  if (is_new || known->second == text) return;
  throw Error({.what = fmt::format("task_index {} has two strings", index),
               .where = where,
               .found = fmt::format("'{}' and '{}'", known->second, text),
               .next = "give every task a different index"});
}

// The column of instructions has its usual name, or is the index that pandas stored, or else is the
// first column of strings.
std::string text_column(const parquet::Reader& reader, const TableNames& names) {
  std::vector<std::string> found;
  for (const parquet::Column& column : reader.columns()) {
    if (column.type == parquet::Type::kByteArray && column.list_depth == 0) {
      found.push_back(column.name);
    }
  }
  if (found.empty()) fail_format(reader.file().string(), names, "no column of strings");
  for (const std::string& name : {names.text, std::string("__index_level_0__")}) {
    if (std::ranges::find(found, name) != found.end()) return name;
  }
  return found.front();
}

void read_parquet(const fs::path& file, const TableNames& names, TaskTable& table) {
  const parquet::Reader reader(file);
  if (reader.find(names.index) == nullptr) {
    fail_format(file.string(), names, "no column " + names.index);
  }
  const auto indices = reader.read_integers(names.index, 0, reader.num_rows());
  auto texts = reader.read_strings(text_column(reader, names), 0, reader.num_rows());
  for (std::size_t row = 0; row < indices.size(); ++row) {
    add(table, indices[row], std::move(texts[row]), file.string());
  }
}

void read_lines(const fs::path& file, const TableNames& names, TaskTable& table) {
  read_json_lines(file, [&](const Json& row, std::int64_t line) {
    const std::string where = fmt::format("{}:{}", file.string(), line);
    const bool has_both = row.is_object() && row.contains(names.index) && row.contains(names.text);
    if (!has_both || !row[names.index].is_number_integer() || !row[names.text].is_string()) {
      fail_format(where, names, shown(row));
    }
    add(table, row[names.index].get<std::int64_t>(), row[names.text].get<std::string>(), where);
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

TaskTable read_task_table(const InfoFile& info, const std::string& column) {
  TaskTable table;
  TableNames names;
  const bool are_subtasks = column == kSubtaskIndex;
  if (are_subtasks) names = {.index = kSubtaskIndex, .text = "subtask", .file = "subtasks"};
  const char* const extension = info.is_v3 ? ".parquet" : ".jsonl";
  const fs::path file = info.folder() / "meta" / (names.file + extension);
  if (!fs::exists(file)) {
    if (!are_subtasks) return table;
    throw Error({.what = "there is no table of subtasks",
                 .where = file.string(),
                 .expected = fmt::format("the texts of the column {}", column),
                 .next = kNext});
  }
  table.file = file;
  info.is_v3 ? read_parquet(file, names, table) : read_lines(file, names, table);
  return table;
}

}  // namespace roboimi::lerobot_dataset
