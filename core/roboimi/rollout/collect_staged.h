// The folder OUTPUT/.staged of a collection: finished attempts whose place is not known yet, and
// what is being written. Internal to rollout.
//
// Only files that a collection names so are ever removed from it, and no link is followed: what
// somebody else put there stays.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "roboimi/contract/episode_writer.h"

namespace roboimi {

class StagedEpisodes {
 public:
  // Error when something other than a folder, a link to one included, stands in its place.
  StagedEpisodes(const std::filesystem::path& output, std::shared_ptr<const EpisodeWriter> writer);

  // Where the record of an attempt is to be written.
  std::filesystem::path file_of(std::uint64_t seed) const;
  // The whole records, by seed. Removes damaged ones.
  std::map<std::uint64_t, std::filesystem::path> find() const;
  // Removes half-written files, with `all` the whole ones as well, and the folder once it is empty.
  // Never throws: what cannot be removed stays.
  void clean_up(bool all) const;

 private:
  enum class Kind { kForeign, kWhole, kTemporary };
  Kind kind_of(const std::filesystem::directory_entry& entry) const;
  std::optional<std::uint64_t> seed_named(const std::string& name) const;

  std::filesystem::path folder_;
  std::shared_ptr<const EpisodeWriter> writer_;
};

}  // namespace roboimi
