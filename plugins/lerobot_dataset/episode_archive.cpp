#include "plugins/lerobot_dataset/episode_archive.h"

#include <zip.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr char kFactsMember[] = "episode.json";
constexpr char kFormat[] = "roboimi LeRobot episode 1";
constexpr std::uint64_t kMaxFacts = std::uint64_t{64} << 20;  // bytes

[[noreturn]] void fail_to_write(const fs::path& file, const std::string& reason) {
  throw Error({.what = "cannot write the episode: " + reason,
               .where = file.string(),
               .next = "check the free space and the permissions of the folder"});
}

using Zip = std::unique_ptr<zip_t, decltype(&zip_discard)>;

// Adds a source, which the archive then owns.
void add_member(zip_t* zip, const std::string& name, zip_source_t* source, const fs::path& file) {
  if (source == nullptr) fail_to_write(file, zip_strerror(zip));
  const zip_int64_t added = zip_file_add(zip, name.c_str(), source, ZIP_FL_ENC_UTF_8);
  if (added < 0) {
    zip_source_free(source);
    fail_to_write(file, zip_strerror(zip));
  }
  const auto index = static_cast<zip_uint64_t>(added);
  // A fixed time: the same record gives the same bytes.
  constexpr time_t kTime = 315532800;  // 1980-01-01, the first that a zip archive can store
  if (zip_set_file_compression(zip, index, ZIP_CM_STORE, 0) != 0 ||
      zip_file_set_mtime(zip, index, kTime, 0) != 0) {
    fail_to_write(file, zip_strerror(zip));
  }
}

EpisodeFacts facts_from_json(const Json& json) {
  EpisodeFacts facts{.header = header_from_json(json),
                     .length = json.at("length").get<std::int64_t>(),
                     .fps = json.at("fps").get<double>(),
                     .robot_type = json.at("robot_type").get<std::string>(),
                     .features = json.at("features"),
                     .tasks = json.at("tasks").get<std::vector<std::string>>(),
                     .task_rows = json.at("task_rows").get<std::vector<std::int64_t>>()};
  for (const auto& [feature, stats] : json.at("stats").items()) {
    facts.stats[feature] = stats_from_json(stats);
  }
  return facts;
}

EpisodeFacts read_facts(const ZipArchive& archive) {
  const auto fail = [&](const std::string& found) {
    throw Error({.what = "the file is not a written episode",
                 .where = archive.path().string(),
                 .expected = "an archive with episode.json, as written by roboimi collect",
                 .found = found,
                 .next = "remove it and run the collection again"});
  };
  if (archive.find(kFactsMember) == nullptr) fail("an archive without it");
  try {
    const Json json = Json::parse(archive.read_text(kFactsMember, kMaxFacts));
    if (json.at("format") != kFormat) fail("format " + lerobot_dataset::shown(json.at("format")));
    return facts_from_json(json);
  } catch (const Json::exception& error) {
    fail(error.what());
  }
  return {};
}

}  // namespace

TemporaryFolder::TemporaryFolder(const fs::path& file) {
  std::error_code error;
  fs::create_directories(fs::absolute(file).parent_path(), error);
  std::string name =
      fs::absolute(file).parent_path() / ("." + file.filename().string() + ".tmpXXXXXX");
  if (::mkdtemp(name.data()) == nullptr) fail_to_write(file, std::strerror(errno));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Json to_json(const EpisodeHeader& header) {
  Json json = Json::object();
  if (header.seed) json["seed"] = *header.seed;
  if (header.success) json["success"] = *header.success;
  return json;
}

EpisodeHeader header_from_json(const Json& json) {
  EpisodeHeader header;
  if (json.contains("seed")) header.seed = json.at("seed").get<std::uint64_t>();
  if (json.contains("success")) header.success = json.at("success").get<bool>();
  return header;
}

Json EpisodeFacts::to_json() const {
  Json all_stats = Json::object();
  for (const auto& [feature, of_feature] : stats) {
    all_stats[feature] = lerobot_dataset::to_json(of_feature, /*is_camera=*/false);
  }
  Json json = {{"format", kFormat},        {"length", length},     {"fps", fps},
               {"robot_type", robot_type}, {"features", features}, {"tasks", tasks},
               {"task_rows", task_rows},   {"stats", all_stats}};
  json.update(lerobot_dataset::to_json(header));
  return json;
}

void write_archive(const fs::path& file, const EpisodeFacts& facts,
                   const std::map<std::string, fs::path>& members) {
  const std::string text = json_text(facts.to_json());
  write_file_atomically(file, [&](const fs::path& temporary) {
    int status = 0;
    Zip zip(zip_open(temporary.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &status), &zip_discard);
    if (zip == nullptr) fail_to_write(file, "libzip, error " + std::to_string(status));
    add_member(zip.get(), kFactsMember,
               zip_source_buffer(zip.get(), text.data(), text.size(), /*freep=*/0), file);
    for (const auto& [name, path] : members) {
      add_member(zip.get(), name, zip_source_file(zip.get(), path.c_str(), 0, /*len=*/-1), file);
    }
    if (zip_close(zip.get()) != 0) fail_to_write(file, zip_strerror(zip.get()));
    static_cast<void>(zip.release());  // zip_close() has freed it
  });
}

EpisodeArchive::EpisodeArchive(const fs::path& file)
    : archive_(file), facts_(read_facts(archive_)) {}

void EpisodeArchive::unpack(const std::string& member, const fs::path& to) const {
  const at::Tensor bytes = archive_.read(member, std::numeric_limits<std::int64_t>::max());
  write_text_atomically(to, {reinterpret_cast<const char*>(bytes.const_data_ptr<std::uint8_t>()),
                             static_cast<std::size_t>(bytes.numel())});
}

}  // namespace roboimi::lerobot_dataset
