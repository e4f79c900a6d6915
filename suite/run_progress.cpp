#include "suite/run_progress.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "roboimi/common/files.h"
#include "roboimi/common/text.h"
#include "roboimi/train/run_folder.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// The object in the file; null if it is missing or incomplete.
Json json_or_null(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return {};
  const Json json = Json::parse(read_text(file), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json();
}

void read_metrics(const fs::path& file, RunStatus& status) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    const Json row = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!row.is_object()) continue;
    const auto number = [&](const char* key) {
      const auto found = row.find(key);
      return found != row.end() && found->is_number() ? std::optional(found->get<double>())
                                                      : std::nullopt;
    };
    if (const auto step = number("step")) status.step = static_cast<std::int64_t>(*step);
    if (const auto loss = number("train/loss")) status.loss = loss;
    if (const auto rate = number("rollout/success_rate")) status.success_rate = rate;
  }
}

}  // namespace

fs::path newest_folder(const fs::path& output_dir) {
  fs::path newest;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(output_dir, error)) {
    if (!entry.is_directory()) continue;
    if (newest.empty() || is_newer_run(entry.path(), newest)) newest = entry.path();
  }
  return newest;
}

void read_progress(const fs::path& output_dir, RunStatus& status) {
  const fs::path folder = newest_folder(output_dir);
  if (folder.empty()) return;
  status.run_folder = folder.string();
  read_metrics(folder / "metrics.jsonl", status);
  const Json record = json_or_null(folder / "run.json");
  if (record.is_null() || !record.contains("tracker_urls")) return;
  for (const Json& url : record["tracker_urls"]) {
    if (url.is_string()) status.tracker_url = url;
  }
}

std::string last_line(const fs::path& log) {
  std::ifstream file(log, std::ios::binary | std::ios::ate);
  if (!file) return "";
  constexpr std::streamoff kTail = 8192;
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kTail));
  std::string last;
  for (std::string line; std::getline(file, line);) {
    // A progress bar redraws its line.
    line = line.substr(line.rfind('\r') + 1);
    if (line.find_first_not_of(" \t") != std::string::npos) last = line;
  }
  return printable(last, 300);
}

}  // namespace roboimi
