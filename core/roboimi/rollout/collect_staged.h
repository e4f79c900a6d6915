// The folder OUTPUT/.staged of a collection: finished attempts whose episode number is not known
// yet, and files being written. Internal to rollout.
//
// Only files with a name that a collection gives are removed from it, and links are not followed:
// any other file stays.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "roboimi/contract/episode_writer.h"

namespace roboimi {

// The seed in the header of a written episode. Throws Error if the file cannot be read or has none.
std::uint64_t recorded_seed(const EpisodeWriter& writer, const std::filesystem::path& file);

class StagedEpisodes {
 public:
  // Throws Error if its path is something other than a folder, such as a link.
  StagedEpisodes(const std::filesystem::path& output, std::shared_ptr<const EpisodeWriter> writer);

  // The file for the record of an attempt.
  std::filesystem::path file_of(std::uint64_t seed) const;
  // The complete records by seed. Removes damaged ones.
  std::map<std::uint64_t, std::filesystem::path> find() const;
  // Removes partly written files (with `all`, the complete ones too), and the folder if it is
  // empty. Never throws: files that cannot be removed stay.
  void clean_up(bool all) const;

 private:
  enum class Kind { kForeign, kWhole, kTemporary };
  Kind kind_of(const std::filesystem::directory_entry& entry) const;
  std::optional<std::uint64_t> seed_named(const std::string& name) const;

  std::filesystem::path folder_;
  std::shared_ptr<const EpisodeWriter> writer_;
};

}  // namespace roboimi
