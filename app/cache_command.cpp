// The command `roboimi cache`, which lists and removes cached frames and features.
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/cache_files.h"
#include "app/commands.h"
#include "app/common_options.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kCacheUsage = R"(usage: roboimi cache list [DIR ...] [--json]
       roboimi cache prune [DIR ...] [--older-than AGE] [--dry-run] [--json]

Lists or removes cached frames and features of frozen encoders. They are made again when they are
needed. DIR is a dataset, a folder of datasets or a cache folder. Default: the folder 'data', if
there is one, and the user's cache folder. Files that a process is making are not removed.

)";

constexpr const char* kCacheExample = R"(
example: roboimi cache list data/sim_transfer
         roboimi cache prune --older-than 30d --dry-run
)";

po::options_description cache_options_description() {
  po::options_description options("options");
  options.add_options()("older-than", po::value<std::string>()->value_name("AGE"),
                        "prune only files that were not used for this long, such as 30d or 12h")(
      "dry-run", po::bool_switch(), "list what would be removed")(
      "json", po::bool_switch(), "print the result as JSON")("help,h", "print this help");
  return options;
}

std::vector<CacheFile> named_cache_files(const std::vector<std::string>& paths) {
  std::vector<fs::path> folders;
  if (paths.empty()) {
    std::error_code error;
    if (fs::is_directory("data", error)) folders = cache_folders_of("data");
    if (const fs::path user = user_cache_folder(); !user.empty()) folders.push_back(user);
  }
  for (const std::string& path : paths) {
    const std::vector<fs::path> found = cache_folders_of(expand_home(path));
    folders.insert(folders.end(), found.begin(), found.end());
  }
  // One folder may be reached by several arguments.
  std::vector<CacheFile> files;
  std::vector<fs::path> seen;
  for (const fs::path& folder : folders) {
    std::error_code error;
    const fs::path real = fs::weakly_canonical(folder, error);
    if (std::ranges::find(seen, real) != seen.end()) continue;
    seen.push_back(real);
    const std::vector<CacheFile> found = cache_files_in(folder);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

std::chrono::seconds age_of(const CacheFile& file) {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() -
                                                          file.last_used);
}

// A file and what was done about it: "" if it is only listed.
struct HandledFile {
  CacheFile file;
  std::string outcome;
};

void print_cache_files(const std::vector<HandledFile>& files, const std::string& summary,
                       bool json) {
  std::uint64_t total = 0;
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& [file, outcome] : files) {
    total += file.bytes;
    nlohmann::ordered_json row = {{"file", file.file.string()},
                                  {"kind", file.kind},
                                  {"unfinished", file.unfinished},
                                  {"bytes", file.bytes},
                                  {"age_seconds", age_of(file).count()}};
    if (!outcome.empty()) row["outcome"] = outcome;
    rows.push_back(std::move(row));
    if (json) continue;
    std::cout << fmt::format("{:>10}  {:<10} {:>11}  {}{}{}\n", size_text(file.bytes), file.kind,
                             age_text(age_of(file)), printable(file.file.string(), 1000),
                             file.unfinished ? "  (unfinished)" : "",
                             outcome.empty() ? "" : "  " + outcome);
  }
  if (json) {
    std::cout << json_text(nlohmann::ordered_json{{"files", rows}, {"bytes", total}}) << "\n";
  } else {
    std::cout << fmt::format("{} {}, {}\n", files.size(), files.size() == 1 ? "file" : "files",
                             size_text(total))
              << summary;
  }
}

int list_caches(const ParsedArguments& parsed) {
  for (const char* option : {"older-than", "dry-run"}) {
    if (parsed.values.count(option) == 0 || parsed.values[option].defaulted()) continue;
    throw Error({.what = fmt::format("--{} has no effect on list", option),
                 .where = "command line",
                 .next = "use roboimi cache prune"});
  }
  std::vector<HandledFile> files;
  for (const CacheFile& file : named_cache_files(parsed.words)) files.push_back({file, ""});
  print_cache_files(files, "", parsed.values["json"].as<bool>());
  return EXIT_SUCCESS;
}

int prune_caches(const ParsedArguments& parsed) {
  const bool is_dry = parsed.values["dry-run"].as<bool>();
  std::chrono::seconds least(0);
  if (parsed.values.count("older-than") != 0) {
    least = parse_age(parsed.values["older-than"].as<std::string>());
  }
  std::vector<HandledFile> files;
  std::uint64_t freed = 0;
  for (const CacheFile& file : named_cache_files(parsed.words)) {
    if (age_of(file) < least) continue;
    const bool is_removed = is_dry || remove_cache_file(file) == Removal::kRemoved;
    files.push_back({file, is_dry ? "would be removed" : is_removed ? "removed" : "kept: in use"});
    if (is_removed) freed += file.bytes;
  }
  print_cache_files(files,
                    fmt::format("{} {}\n", is_dry ? "would free" : "freed", size_text(freed)),
                    parsed.values["json"].as<bool>());
  return EXIT_SUCCESS;
}

}  // namespace

int cache_command(const Arguments& words) {
  ParsedArguments parsed = parse_arguments(words, cache_options_description());
  if (parsed.values.count("help") != 0) {
    std::cout << kCacheUsage << cache_options_description() << kCacheExample;
    return EXIT_SUCCESS;
  }
  const std::string name = parsed.words.empty() ? "" : parsed.words.front();
  if (!parsed.words.empty()) parsed.words.erase(parsed.words.begin());
  if (name == "list") return list_caches(parsed);
  if (name == "prune") return prune_caches(parsed);
  throw Error({.what = name.empty() ? "no action given" : "unknown action '" + name + "'",
               .expected = "list or prune",
               .next = did_you_mean(name, {"list", "prune"}, "see roboimi cache --help")});
}

}  // namespace roboimi::app
