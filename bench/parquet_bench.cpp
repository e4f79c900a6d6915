// A benchmark of the Parquet reader and writer against pyarrow on one thread, in milliseconds per
// table: 40,000 rows of two lists of 14 numbers and five scalars, as LeRobot stores episodes.
//
//   build/release/bin/parquet_bench [rounds = 20]
//
// Needs pyarrow in .venv-references (scripts/test.sh --references). It runs in another process
// (bench/reference/parquet_pyarrow.py), and the two take turns, so that other load on the machine
// affects both. The table is read from the file that pyarrow wrote, once as a single row group and
// once with a row group per episode of 400 rows.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "bench/bench_main.h"
#include "bench/eager_worker.h"
#include "roboimi/common/memory.h"
#include "roboimi/io/parquet/writer.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr int kRows = 40000;

using Table = std::vector<parquet::Values>;

Table read_table(const fs::path& file) {
  const parquet::Reader table(file);
  Table columns;
  for (const parquet::Column& column : table.columns()) {
    columns.push_back(table.read(column.name, 0, table.num_rows()));
  }
  return columns;
}

// The columns of every row group.
std::vector<Table> read_groups(const parquet::Reader& table) {
  std::vector<Table> groups;
  const std::vector<std::int64_t>& starts = table.row_groups();
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    Table& columns = groups.emplace_back();
    for (const parquet::Column& column : table.columns()) {
      columns.push_back(table.read(column.name, starts[i], starts[i + 1] - starts[i]));
    }
  }
  return groups;
}

void write_groups(const fs::path& file, const std::vector<parquet::Column>& columns,
                  const std::vector<Table>& groups) {
  parquet::Writer writer(file, columns);
  for (const Table& group : groups) writer.add_row_group(group);
  writer.close();
}

// Writing includes waiting for the disk (fsync) here, but not in pyarrow.
void measure(const fs::path& folder, int group, int rounds) {
  const fs::path file = folder / fmt::format("rows_{}.parquet", group);
  EagerWorker pyarrow("parquet_pyarrow.py",
                      {file.string(), std::to_string(kRows), std::to_string(group)},
                      ".venv-references");
  for (const char* word : {"read", "write"}) pyarrow.seconds(word);  // a warm-up
  const parquet::Reader table(file);
  const std::vector<Table> groups = read_groups(table);
  for (const std::string word : {"read", "write"}) {
    std::vector<double> ours;
    std::vector<double> theirs;
    for (int i = 0; i < rounds; ++i) {
      theirs.push_back(pyarrow.seconds(word));
      ours.push_back(seconds_of([&] {
        if (word == "read") {
          read_table(file);
        } else {
          write_groups(folder / "ours.parquet", table.columns(), groups);
        }
      }));
    }
    fmt::print("| {} | {} | {:.1f} | {:.1f} | {:.2f} |\n", word, group, 1e3 * median(ours),
               1e3 * median(theirs), median_ratio(ours, theirs));
  }
}

int run(int rounds) {
  keep_freed_memory();  // as `roboimi` does
  const fs::path folder = fs::temp_directory_path() / fmt::format("parquet_bench_{}", ::getpid());
  fs::create_directories(folder);
  fmt::print("{} rows, 33 numbers each; medians of {} rounds in ms; one thread\n", kRows, rounds);
  fmt::print("| what | rows per group | roboimi | pyarrow | ratio |\n|---|---|---|---|---|\n");
  for (const int group : {kRows, 400}) measure(folder, group, rounds);
  fs::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace roboimi

int main(int argc, char** argv) {
  return roboimi::bench_main(argc, argv, {{"rounds", 20}},
                             [](const auto& n) { return roboimi::run(n[0]); });
}
