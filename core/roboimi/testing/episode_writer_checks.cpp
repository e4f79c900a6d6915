#include "roboimi/testing/episode_writer_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/random.h"

namespace roboimi::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRows = 6;

// A temporary folder that is deleted after the check.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("roboimi_writer_check_{}", ::getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

 private:
  fs::path path_;
};

std::shared_ptr<EpisodeWriter> make(const EpisodeWriterSubject& subject) {
  auto writer = subject.make();
  require(writer != nullptr, "the factory returns no writer");
  return writer;
}

void each_episode_has_a_file(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  std::set<fs::path> files;
  for (std::int64_t index = 0; index < 12; ++index) {
    const fs::path file = writer->file_of("folder", index);
    require(file.parent_path() == "folder", "file_of() returns a file outside the given folder");
    require(files.insert(file).second,
            fmt::format("file_of() returns '{}' for two episodes", file.string()));
  }
}

void what_was_written_has_its_header(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const Folder folder;
  EpisodeRecord record = subject.record();
  for (const bool success : {true, false}) {
    record.seed = success ? 0xFFFFFFFFFFFFULL : 7;
    record.success = success;
    const fs::path file = writer->file_of(folder.path(), success ? 0 : 1);
    writer->write(file, record);
    require(fs::exists(file), "write() does not create the given file");
    const EpisodeHeader header = make(subject)->read_header(file);
    require(header.seed == record.seed && header.success == record.success,
            "read_header() does not return the seed and the outcome that were written");
  }
}

void nothing_else_is_left(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const Folder folder;
  const fs::path file = writer->file_of(folder.path(), 3);
  writer->write(file, subject.record());
  writer->write(file, subject.record());
  require(folder.names() == std::set<std::string>{file.filename().string()},
          "write() leaves other files in the folder; write to a temporary name and rename");
}

void the_same_record_gives_the_same_bytes(const EpisodeWriterSubject& subject) {
  const Folder folder;
  const auto bytes = [&](std::int64_t index) {
    const auto writer = make(subject);
    const fs::path file = writer->file_of(folder.path(), index);
    writer->write(file, subject.record());
    return read_text(file);
  };
  require(bytes(0) == bytes(1),
          "the same record gives different files; do not write times or the file's name");
}

void a_record_that_does_not_fit_is_refused(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const Folder folder;
  const fs::path file = writer->file_of(folder.path(), 0);
  EpisodeRecord record = subject.record();
  record.actions = record.actions.slice(0, 1);
  require_error("a missing action", {"action"}, [&] { writer->write(file, record); });
  record = subject.record();
  record.observations.erase(kState);
  require_error("a record without its state", {"state"}, [&] { writer->write(file, record); });
  require(folder.names().empty(), "write() leaves a file although it rejects the record");
}

void what_is_no_episode_is_refused(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const Folder folder;
  const fs::path file = writer->file_of(folder.path(), 0);
  require_error("a missing file", {file.filename().string()}, [&] { writer->read_header(file); });
  write_text_atomically(file, "this is not an episode\n");
  require_error("a file in another format", {file.filename().string()},
                [&] { writer->read_header(file); });
}

}  // namespace

EpisodeRecord EpisodeWriterSubject::record() const {
  at::Generator generator = make_generator(1);
  const auto frames = [&] {
    return at::randint(0, 256, {kRows, 16, 24, 3}, generator, at::TensorOptions(at::kByte));
  };
  const auto table = [&](std::int64_t width) { return at::rand({kRows, width}, generator); };
  EpisodeRecord record;
  record.streams = {rgb_stream("front", {16, 24}), rgb_stream("top", {16, 24}),
                    vector_stream(kState, 4), vector_stream(kVelocity, 4),
                    vector_stream(kEnvState, 2)};
  record.observations = {{"front", frames()},
                         {"top", frames()},
                         {kState, table(4)},
                         {kVelocity, table(4)},
                         {kEnvState, table(2)}};
  record.labels = {{"box_position", table(3)}};
  record.actions = table(3);
  record.control_hz = 20.0;
  record.seed = 5;
  record.success = true;
  return record;
}

const std::vector<Check<EpisodeWriterSubject>>& episode_writer_checks() {
  static const std::vector<Check<EpisodeWriterSubject>> checks = {
      {"each_episode_has_a_file", "several processes write one dataset", each_episode_has_a_file},
      {"what_was_written_has_its_header", "an interrupted collection continues from it",
       what_was_written_has_its_header},
      {"nothing_else_is_left", "the folder is a dataset", nothing_else_is_left},
      {"the_same_record_gives_the_same_bytes", "collections must be reproducible",
       the_same_record_gives_the_same_bytes},
      {"a_record_that_does_not_fit_is_refused", "misaligned rows would be trained on silently",
       a_record_that_does_not_fit_is_refused},
      {"what_is_no_episode_is_refused", "a damaged file is not a finished episode",
       what_is_no_episode_is_refused},
  };
  return checks;
}

}  // namespace roboimi::testing
