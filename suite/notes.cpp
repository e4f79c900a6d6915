// notes_text(): the records of a suite as Markdown.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "suite/records.h"

namespace roboimi {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kLine = "<!-- Your own notes: text below this line is kept. -->\n";
// The same in the notes of earlier versions.
constexpr const char* kFormerLine =
    "<!-- Your own words: what stands below this line is kept. -->\n";

// Escapes what would end a table cell or be read as markup.
std::string cell(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '`' || c == '\\') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

std::string number(const std::optional<double>& value, double factor, const char* unit) {
  return value ? fmt::format("{:.4g}{}", factor * *value, unit) : "";
}

std::string run_table(const std::vector<RunStatus>& rows) {
  std::string text =
      "| run | state | where | step | loss | success | run folder | note |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const RunStatus& row : rows) {
    const std::string step =
        row.step ? fmt::format("{} / {}", *row.step, row.max_steps) : std::string();
    text += fmt::format("| {} | {} | {} {} | {} | {} | {} | {} | {} |\n", cell(row.name),
                        to_string(row.state), cell(row.target), cell(row.slot), step,
                        number(row.loss, 1, ""), number(row.success_rate, 100, " %"),
                        cell(row.run_folder), cell(row.text));
  }
  return text;
}

std::string weights_list(const Json& manifest) {
  std::map<std::string, std::string> files;
  for (const Json& run : manifest.value("runs", Json::array())) {
    for (const Json& file : run.value("files", Json::array())) {
      if (file.contains("sha256")) files[file.at("path")] = file.at("sha256");
    }
  }
  std::string text;
  for (const auto& [path, hash] : files) {
    text += fmt::format("- {}, SHA-256 {}\n", cell(path), hash);
  }
  return text.empty() ? "" : "\n## Files that the runs read\n\n" + text;
}

std::string difference_table(const Json& manifest) {
  std::vector<Json> configs;
  std::string head = "| key |", rule = "|---|";
  for (const Json& run : manifest.value("runs", Json::array())) {
    configs.push_back(run.value("config", Json::object()));
    head += " " + cell(run.at("name")) + " |";
    rule += "---|";
  }
  std::string text;
  for (const ConfigDifference& difference : config_differences(configs)) {
    text += "| " + cell(difference.key) + " |";
    for (const std::string& value : difference.values) text += " " + cell(value) + " |";
    text += "\n";
  }
  if (text.empty()) return "";
  return "\n## Differences between the configurations\n\n" + head + "\n" + rule + "\n" + text;
}

std::string launch_list(const Json& manifest) {
  std::string text;
  for (const Json& launch : manifest.value("launches", Json::array())) {
    text += fmt::format("- {} on {}: roboimi {}, {}\n", launch.value("time", ""),
                        cell(launch.value("host", "")), launch.value("version", ""),
                        cell(launch.value("commit", "no commit known")));
  }
  return text.empty() ? "" : "\n## Launches\n\n" + text;
}

std::string own_notes(const std::string& former) {
  for (const std::string line : {kLine, kFormerLine}) {
    const std::size_t begin = former.find(line);
    if (begin != std::string::npos) return former.substr(begin + line.size());
  }
  // A file without the line was written by hand, so all of it is kept.
  return former.empty() ? "\n## Notes\n" : "\n" + former;
}

}  // namespace

std::string notes_text(const Json& manifest, const std::vector<RunStatus>& rows,
                       const std::string& former) {
  return fmt::format("# {}\n\nMade from manifest.json and status.json by `roboimi suite`.\n\n",
                     cell(manifest.value("suite", "suite"))) +
         run_table(rows) + launch_list(manifest) + weights_list(manifest) +
         difference_table(manifest) + "\n" + kLine + own_notes(former);
}

}  // namespace roboimi
