// The file that an episode is written to before it has a number: a zip archive without compression
// that contains episode.json, rows.parquet and a video for each camera, KEY.mp4.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/feature_stats.h"
#include "plugins/lerobot_dataset/json_file.h"
#include "roboimi/contract/episode_writer.h"
#include "roboimi/io/zip_archive.h"

namespace roboimi::lerobot_dataset {

inline constexpr char kRowsMember[] = "rows.parquet";

// A folder for parts of a file, beside it, which is removed at the end of the scope. It has the
// name of a temporary file, so that a collection removes the folder if the process is killed.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::filesystem::path& file);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The seed and success as members of a JSON object. Unknown ones are left out.
Json to_json(const EpisodeHeader& header);
// Throws Json::exception for a member of another type.
EpisodeHeader header_from_json(const Json& json);

// What episode.json contains.
struct EpisodeFacts {
  EpisodeHeader header = {};
  std::int64_t length = 0;
  double fps = 0.0;
  std::string robot_type = {};               // empty: null
  Json features = {};                        // those of the record, as in info.json
  std::vector<std::string> tasks = {};       // the distinct tasks, in the order of their first rows
  std::vector<std::int64_t> task_rows = {};  // the index in `tasks` of every row
  std::map<std::string, FeatureStats> stats = {};  // by feature

  Json to_json() const;
};

// Writes the archive atomically. The same members give the same bytes.
void write_archive(const std::filesystem::path& file, const EpisodeFacts& facts,
                   const std::map<std::string, std::filesystem::path>& members);

class EpisodeArchive {
 public:
  // Throws Error if the file is not such an archive.
  explicit EpisodeArchive(const std::filesystem::path& file);

  const EpisodeFacts& facts() const { return facts_; }
  // Writes a member to a file, atomically.
  void unpack(const std::string& member, const std::filesystem::path& to) const;

 private:
  ZipArchive archive_;
  EpisodeFacts facts_;
};

}  // namespace roboimi::lerobot_dataset
