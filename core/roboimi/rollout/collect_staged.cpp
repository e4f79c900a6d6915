#include "roboimi/rollout/collect_staged.h"

#include <cctype>
#include <charconv>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::uint64_t recorded_seed(const EpisodeWriter& writer, const fs::path& file) {
  const std::optional<std::uint64_t> seed = writer.read_header(file).seed;
  if (seed) return *seed;
  throw Error({.what = "the file does not record its seed",
               .where = file.string(),
               .expected = "an episode written by roboimi collect"});
}

StagedEpisodes::StagedEpisodes(const fs::path& output, std::shared_ptr<const EpisodeWriter> writer)
    : folder_(output / ".staged"), writer_(std::move(writer)) {
  std::error_code ignored;
  const fs::file_status status = fs::symlink_status(folder_, ignored);
  if (!fs::exists(status) || fs::is_directory(status)) return;
  throw Error({.what = "cannot store unfinished episodes",
               .where = folder_.string(),
               .expected = "a folder created by the collection, or nothing",
               .found = fs::is_symlink(status) ? "a link" : "a file",
               .next = "remove it"});
}

fs::path StagedEpisodes::file_of(std::uint64_t seed) const {
  return folder_ / writer_->file_of(folder_, static_cast<std::int64_t>(seed)).filename();
}

// The seed whose file has this name. Tries the numbers in the name.
std::optional<std::uint64_t> StagedEpisodes::seed_named(const std::string& name) const {
  for (std::size_t begin = 0; begin < name.size(); ++begin) {
    if (begin > 0 && std::isdigit(static_cast<unsigned char>(name[begin - 1]))) continue;
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(&name[begin], name.data() + name.size(), seed);
    if (error == std::errc() && file_of(seed).filename() == name) return seed;
  }
  return std::nullopt;
}

StagedEpisodes::Kind StagedEpisodes::kind_of(const fs::directory_entry& entry) const {
  std::error_code ignored;
  const fs::file_status status = entry.symlink_status(ignored);
  const bool is_file = fs::is_regular_file(status);
  if (!is_file && !fs::is_directory(status)) return Kind::kForeign;
  const std::string name = entry.path().filename().string();
  if (is_file && seed_named(name)) return Kind::kWhole;
  // The names of temporary files and of writers' temporary folders: .NAME.tmp...
  const std::size_t end = name.rfind(".tmp");
  const bool is_ours = name.starts_with('.') && end != std::string::npos && end > 0 &&
                       seed_named(name.substr(1, end - 1));
  return is_ours ? Kind::kTemporary : Kind::kForeign;
}

std::map<std::uint64_t, fs::path> StagedEpisodes::find() const {
  std::map<std::uint64_t, fs::path> found;
  std::error_code error;
  std::vector<fs::path> damaged;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    switch (kind_of(entry)) {
      case Kind::kForeign:
        logger().warn("{}: ignored, because it is not a file of the collection",
                      entry.path().string());
        break;
      case Kind::kTemporary:
        break;
      case Kind::kWhole:
        try {
          const std::uint64_t seed = recorded_seed(*writer_, entry.path());
          if (entry.path() == file_of(seed)) found[seed] = entry.path();
        } catch (const Error&) {
          damaged.push_back(entry.path());
        }
    }
  }
  for (const fs::path& file : damaged) fs::remove(file, error);
  return found;
}

void StagedEpisodes::clean_up(bool all) const {
  std::error_code ignored;
  std::vector<fs::path> ours;
  for (fs::directory_iterator entry(folder_, ignored); entry != fs::directory_iterator();
       entry.increment(ignored)) {
    const Kind kind = kind_of(*entry);
    if (kind == Kind::kTemporary || (all && kind == Kind::kWhole)) ours.push_back(entry->path());
  }
  for (const fs::path& file : ours) fs::remove_all(file, ignored);
  fs::remove(folder_, ignored);  // intentionally fails if it is not empty
}

}  // namespace roboimi
