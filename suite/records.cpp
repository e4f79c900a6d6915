#include "suite/records.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/process_lock.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

ProcessLock lock_of(const fs::path& suite_folder) {
  return ProcessLock::take(suite_folder / "work" / "records.lock");
}

// Sorts rows in the manifest's order; others come last. Removes a row if its run was launched on
// another target since.
void arrange_rows(const Json& manifest, std::vector<RunStatus>& rows) {
  std::map<std::string, std::size_t> order;
  std::map<std::string, std::string> targets;
  for (const Json& run : manifest.value("runs", Json::array())) {
    order.emplace(run.at("name"), order.size());
    targets[run.at("name")] = run.value("target", "");
  }
  std::erase_if(rows, [&](const RunStatus& row) {
    const auto target = targets.find(row.name);
    return target != targets.end() && !target->second.empty() && target->second != row.target;
  });
  const auto place = [&](const RunStatus& row) {
    const auto found = order.find(row.name);
    return found == order.end() ? order.size() : found->second;
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const RunStatus& a, const RunStatus& b) { return place(a) < place(b); });
}

void write_status(const fs::path& suite_folder, std::vector<RunStatus> rows) {
  const Json manifest = read_manifest(suite_folder);
  arrange_rows(manifest, rows);
  const Json status = {{"suite", manifest.value("suite", suite_folder.filename().string())},
                       {"updated", time_now()},
                       {"runs", to_json(rows)}};
  write_text_atomically(suite_folder / "status.json", json_text(status) + "\n");
  const fs::path notes = suite_folder / "notes.md";
  const std::string former = fs::exists(notes) ? read_text(notes) : "";
  write_text_atomically(notes, notes_text(manifest, rows, former));
}

void flatten(const Json& node, const std::string& path, std::map<std::string, std::string>& out) {
  if (!node.is_object() || node.empty()) {
    out[path] = json_text(node, -1);
    return;
  }
  for (const auto& [key, value] : node.items()) {
    flatten(value, path.empty() ? key : path + "." + key, out);
  }
}

}  // namespace

Json read_manifest(const fs::path& suite_folder) {
  const fs::path file = suite_folder / "manifest.json";
  return fs::exists(file) ? read_json(file) : Json::object();
}

void change_manifest(const fs::path& suite_folder, const std::function<void(Json&)>& change) {
  const ProcessLock lock = lock_of(suite_folder);
  Json manifest = read_manifest(suite_folder);
  change(manifest);
  write_text_atomically(suite_folder / "manifest.json", json_text(manifest) + "\n");
}

std::vector<RunStatus> read_status(const fs::path& suite_folder) {
  const fs::path file = suite_folder / "status.json";
  if (!fs::exists(file)) return {};
  const Json status = read_json(file);
  return run_statuses_from(status.value("runs", Json::array()));
}

void update_records(const fs::path& suite_folder, const std::string& target,
                    const std::vector<RunStatus>& rows) {
  change_status(suite_folder, [&](std::vector<RunStatus>& all) {
    std::erase_if(all, [&](const RunStatus& row) {
      return row.target == target && find_run(rows, row.name) != nullptr;
    });
    all.insert(all.end(), rows.begin(), rows.end());
  });
}

void change_status(const fs::path& suite_folder,
                   const std::function<void(std::vector<RunStatus>&)>& change) {
  const ProcessLock lock = lock_of(suite_folder);
  std::vector<RunStatus> rows = read_status(suite_folder);
  change(rows);
  write_status(suite_folder, std::move(rows));
}

std::vector<ConfigDifference> config_differences(const std::vector<Json>& configs) {
  std::vector<std::map<std::string, std::string>> flat(configs.size());
  std::map<std::string, bool> keys;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    flatten(configs[i], "", flat[i]);
    for (const auto& [key, value] : flat[i]) keys[key] = true;
  }
  for (const char* own : {"name", "output_dir"}) keys.erase(own);
  std::vector<ConfigDifference> differences;
  for (const auto& [key, present] : keys) {
    ConfigDifference difference{.key = key, .values = {}};
    for (const auto& values : flat) {
      const auto found = values.find(key);
      difference.values.push_back(found == values.end() ? "-" : found->second);
    }
    const bool is_same =
        std::all_of(difference.values.begin(), difference.values.end(),
                    [&](const std::string& value) { return value == difference.values.front(); });
    if (!is_same) differences.push_back(std::move(difference));
  }
  return differences;
}

}  // namespace roboimi
