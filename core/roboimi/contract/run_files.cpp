#include "roboimi/contract/run_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/json_text.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFilesFolder = "files";
constexpr const char* kFilesList = "files.json";
constexpr std::size_t kShortHash = 16;

thread_local const RunFiles* innermost_files = nullptr;

struct KeptFile {
  std::string given;     // the path in the configuration
  std::string absolute;  // its absolute path at the time of copying
  std::string sha256;

  bool stands_for(const fs::path& path) const {
    return path == given || fs::absolute(path).lexically_normal() == absolute;
  }
  // The path of the copy, relative to the folder of copies.
  fs::path place() const {
    return fs::path(sha256.substr(0, kShortHash)) / fs::path(given).filename();
  }
};

[[noreturn]] void fail_list(const fs::path& list) {
  throw Error({.what = "the list of the run's copied files is damaged",
               .where = list.string(),
               .expected = "a JSON list of objects with the strings given, absolute and sha256"});
}

std::vector<KeptFile> kept_files(const fs::path& run) {
  const fs::path list = run / kFilesFolder / kFilesList;
  if (!fs::exists(list)) return {};
  const auto json = nlohmann::json::parse(read_text(list), nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) fail_list(list);
  std::vector<KeptFile> kept;
  for (const auto& entry : json) {
    const auto text = [&](const char* key) {
      const auto found = entry.is_object() ? entry.find(key) : entry.end();
      if (found == entry.end() || !found->is_string()) fail_list(list);
      return found->get<std::string>();
    };
    kept.push_back(
        {.given = text("given"), .absolute = text("absolute"), .sha256 = text("sha256")});
    const std::string& hash = kept.back().sha256;
    const bool is_hash =
        hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!is_hash || fs::path(kept.back().given).filename().empty()) fail_list(list);
  }
  return kept;
}

void write_list(const fs::path& run, const std::vector<KeptFile>& kept) {
  auto json = nlohmann::ordered_json::array();
  for (const KeptFile& file : kept) {
    json.push_back({{"given", file.given},
                    {"absolute", file.absolute},
                    {"file", file.place().generic_string()},
                    {"sha256", file.sha256}});
  }
  write_text_atomically(run / kFilesFolder / kFilesList, json_text(json) + "\n");
}

// The files that the agent and its modules name.
std::vector<fs::path> files_of(const torch::nn::Module& agent) {
  std::vector<fs::path> files;
  const auto add = [&](const torch::nn::Module& module) {
    const auto* keeper = dynamic_cast<const KeepsFiles*>(&module);
    if (keeper == nullptr) return;
    const std::vector<fs::path> named = keeper->run_files();
    files.insert(files.end(), named.begin(), named.end());
  };
  add(agent);
  for (const auto& module : agent.modules(/*include_self=*/false)) add(*module);
  return files;
}

void copy_whole(const fs::path& from, const fs::path& to) {
  fs::create_directories(to.parent_path());
  const MappedFile source(from);
  write_file_atomically(to, [&](const fs::path& temporary) {
    OutputFile file(temporary, to);
    file.write(source.data(), source.size());
    file.close();
  });
}

}  // namespace

KeepsFiles::~KeepsFiles() = default;

RunFiles::RunFiles(fs::path run) : run_(std::move(run)), outer_(innermost_files) {
  innermost_files = this;
}

RunFiles::~RunFiles() { innermost_files = outer_; }

fs::path RunFiles::find(const fs::path& given) {
  if (innermost_files == nullptr) return given;
  for (const KeptFile& file : kept_files(innermost_files->run_)) {
    if (!file.stands_for(given)) continue;
    const fs::path copy = innermost_files->run_ / kFilesFolder / file.place();
    const std::string found = sha256_file(copy);
    if (found == file.sha256) return copy;
    throw Error({.what = "the run's copy of a file is damaged",
                 .where = copy.string(),
                 .expected = "sha256 " + file.sha256,
                 .found = found,
                 .next = "copy it again from " + file.absolute});
  }
  return given;
}

void keep_run_files(const fs::path& run, const torch::nn::Module& agent) {
  std::vector<KeptFile> kept = kept_files(run);
  const std::size_t before = kept.size();
  for (const fs::path& given : files_of(agent)) {
    const bool known = std::any_of(kept.begin(), kept.end(),
                                   [&](const KeptFile& file) { return file.stands_for(given); });
    if (known) continue;
    kept.push_back({.given = given.string(),
                    .absolute = fs::absolute(given).lexically_normal().string(),
                    .sha256 = sha256_file(given)});
    copy_whole(given, run / kFilesFolder / kept.back().place());
  }
  if (kept.size() > before) write_list(run, kept);
}

}  // namespace roboimi
