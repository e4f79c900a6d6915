#include "app/converted_folder.h"

#include <sstream>
#include <string_view>

#include "app/common_options.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/log.h"
#include "roboimi/common/text.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConversionFile = "conversion.txt";
constexpr const char* kStagedFolder = ".staged";

// Whether the folder of a conversion contains more than the conversion's own files.
bool has_episodes(const fs::path& output) {
  std::error_code error;
  for (fs::directory_iterator entry(output, error); entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with('.') && name != kConversionFile) return true;
  }
  return false;
}

// Settings whose paths of data have no "." or "..", which depend on the folder of the command.
std::string with_plain_paths(const std::string& settings) {
  constexpr std::string_view kPath = "path: ";
  std::istringstream lines(settings);
  std::string plain;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kPath)) {
      std::string path = fs::path(line.substr(kPath.size())).lexically_normal().string();
      if (path.size() > 1 && path.back() == '/') path.pop_back();
      line = std::string(kPath) + path;
    }
    plain += line + "\n";
  }
  return plain;
}

// The first lines that differ.
std::pair<std::string, std::string> differing_lines(const std::string& a, const std::string& b) {
  std::istringstream lines_a(a), lines_b(b);
  for (;;) {
    std::string line_a, line_b;
    const bool more_a = static_cast<bool>(std::getline(lines_a, line_a));
    const bool more_b = static_cast<bool>(std::getline(lines_b, line_b));
    if ((more_a || more_b) && line_a == line_b) continue;
    const auto quoted = [](const std::string& line) {
      return line.empty() ? std::string("nothing") : "'" + printable(line, 160) + "'";
    };
    return {quoted(line_a), quoted(line_b)};
  }
}

}  // namespace

ConvertedFolder::ConvertedFolder(fs::path output, std::shared_ptr<const EpisodeWriter> writer,
                                 const std::string& settings)
    : output_(std::move(output)), writer_(std::move(writer)) {
  if (!fs::exists(output_ / kConversionFile)) require_new_folder(output_, "OUT");
  std::error_code error;
  fs::create_directories(output_, error);
  if (error) {
    throw Error({.what = "cannot create the folder: " + error.message(),
                 .where = output_.string(),
                 .next = "check the permissions and the free space"});
  }
  lock_.emplace(ProcessLock::take_folder(output_, "conversion"));
  check_settings(settings);
  if (fs::is_symlink(output_ / kStagedFolder, error)) {
    throw Error({.what = "cannot store unfinished episodes",
                 .where = (output_ / kStagedFolder).string(),
                 .expected = "a folder created by the conversion, or nothing",
                 .found = "a link",
                 .next = "remove it"});
  }
  fs::remove_all(output_ / kStagedFolder, error);  // leftovers of a killed conversion
}

void ConvertedFolder::check_settings(const std::string& settings) const {
  const fs::path file = output_ / kConversionFile;
  if (!fs::exists(file)) {
    write_text_atomically(file, settings);
    return;
  }
  const std::string recorded = read_text(file);
  if (with_plain_paths(recorded) == with_plain_paths(settings)) return;
  // A conversion that failed before its first episode leaves nothing that depends on its settings.
  if (!has_episodes(output_)) {
    write_text_atomically(file, settings);
    return;
  }
  const auto [before, now] =
      differing_lines(with_plain_paths(recorded), with_plain_paths(settings));
  throw Error({.what = "the folder has episodes that were converted with other settings, or from "
                       "data that has changed",
               .where = output_.string(),
               .expected = before + ", as in " + file.string(),
               .found = now,
               .next = "choose another folder, or remove this one"});
}

fs::path ConvertedFolder::staged(std::int64_t index) const {
  const fs::path folder = output_ / kStagedFolder;
  return folder / writer_->file_of(folder, index).filename();
}

bool ConvertedFolder::has(std::int64_t index) const {
  const fs::path file = writer_->file_of(output_, index);
  std::error_code error;
  if (!fs::exists(file, error)) return false;
  try {
    writer_->read_header(file);
    return true;
  } catch (const Error& damage) {
    logger().warn("{} will be written again: {}", file.string(), one_line_message(damage));
    return false;
  }
}

void ConvertedFolder::add(const EpisodeRecord& record, std::int64_t index) const {
  const fs::path file = staged(index);
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  fs::remove(file, error);
  writer_->write(file, record);
  writer_->place(file, output_, index);
}

void ConvertedFolder::finish() const {
  std::error_code ignored;
  fs::remove_all(output_ / kStagedFolder, ignored);
}

}  // namespace roboimi::app
