// The folder of a conversion. Its file conversion.txt holds the settings. An episode is written to
// `.staged` and moved to its place when it is complete; `.staged` belongs to the conversion. While
// the object exists, no other process can convert into the folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "roboimi/common/process_lock.h"
#include "roboimi/contract/episode_writer.h"

namespace roboimi::app {

class ConvertedFolder {
 public:
  // Throws Error if the folder holds anything else, was made with other settings, or another
  // process uses it.
  ConvertedFolder(std::filesystem::path output, std::shared_ptr<const EpisodeWriter> writer,
                  const std::string& settings);

  // Whether the episode is complete.
  bool has(std::int64_t index) const;
  // Writes the episode and moves it to its place.
  void add(const EpisodeRecord& record, std::int64_t index) const;
  // Removes `.staged`.
  void finish() const;

 private:
  std::filesystem::path staged(std::int64_t index) const;
  void check_settings(const std::string& settings) const;

  std::filesystem::path output_;
  std::shared_ptr<const EpisodeWriter> writer_;
  std::optional<ProcessLock> lock_;
};

}  // namespace roboimi::app
