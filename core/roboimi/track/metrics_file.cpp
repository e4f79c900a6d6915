#include "roboimi/track/metrics_file.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"

namespace roboimi {

void MetricsFile::scalars(std::int64_t step, const Scalars& values) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  nlohmann::ordered_json line;
  line["step"] = step;
  line["time"] =
      static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) / 1e3;
  for (const auto& [name, value] : values) line[name] = value;
  file_.append(json_text(line, /*indent=*/-1) + "\n");
}

namespace {

// Returns whether a run that resumes after `step` will not write this line again.
bool line_stays(const nlohmann::json& line, std::int64_t step, bool rolled_out) {
  if (!line.is_object() || !line.contains("step") || !line["step"].is_number_integer())
    return false;
  const auto own = line["step"].get<std::int64_t>();
  if (own != step || rolled_out) return own <= step;
  const auto is_of_rollout = [](const auto& item) {
    return item.key().starts_with(kRolloutPrefix);
  };
  const auto items = line.items();
  return std::none_of(items.begin(), items.end(), is_of_rollout);
}

}  // namespace

void cut_metrics_back(const std::filesystem::path& path, std::int64_t step, bool rolled_out) {
  if (!std::filesystem::exists(path)) return;
  const std::string text = read_text(path);
  std::string kept;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // incomplete
    const std::string line = text.substr(begin, end - begin);
    const auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (line_stays(parsed, step, rolled_out)) kept += line + "\n";
    begin = end + 1;
  }
  if (kept != text) write_text_atomically(path, kept);
}

}  // namespace roboimi
