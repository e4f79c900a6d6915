#include "roboimi/testing/episode_writer_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/random.h"
#include "roboimi/testing/stored_record.h"

namespace roboimi::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRows = 6;
constexpr std::int64_t kHeight = 16, kWidth = 24;  // pixels

// A temporary folder that is deleted after the check.
class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() /
              fmt::format("roboimi_writer_check_{}_{}", ::getpid(), count_++)) {
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
  static inline std::atomic<int> count_ = 0;
  fs::path path_;
};

std::shared_ptr<EpisodeWriter> make(const EpisodeWriterSubject& subject) {
  auto writer = subject.make();
  require(writer != nullptr, "the factory returns no writer");
  return writer;
}

// The file that a collection writes an episode to before it is placed.
fs::path staged_file(const EpisodeWriter& writer, const fs::path& folder, std::int64_t index) {
  return folder / writer.file_of(folder, index).filename();
}

// Writes a record and places it in the folder, as a collection does.
void store(const EpisodeWriter& writer, const fs::path& folder, std::int64_t index,
           const EpisodeRecord& record) {
  const fs::path staging = folder / ".staging";
  fs::create_directories(staging);
  const fs::path written = staged_file(writer, staging, index);
  writer.write(written, record);
  writer.place(written, folder, index);
  fs::remove_all(staging);
  require(fs::exists(writer.file_of(folder, index)),
          "place() does not create file_of(folder, index)");
}

void each_episode_has_a_file(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  std::set<fs::path> names;
  for (std::int64_t index = 0; index < 12; ++index) {
    const fs::path file = writer->file_of("folder", index);
    require(file == file.lexically_normal() && *file.begin() == "folder",
            "file_of() returns a file outside the given folder");
    require(names.insert(file.filename()).second,
            fmt::format("file_of() returns '{}' for two episodes", file.string()));
  }
}

void the_header_is_read_back(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const Folder folder, written;
  EpisodeRecord record = subject.record();
  const std::vector<EpisodeHeader> headers = {
      {.seed = 0xFFFFFFFFFFFFULL, .success = true}, {.seed = 7, .success = false}, {}};
  for (std::int64_t index = 0; index < std::ssize(headers); ++index) {
    record.seed = headers[static_cast<std::size_t>(index)].seed;
    record.success = headers[static_cast<std::size_t>(index)].success;
    const auto require_header = [&](const fs::path& file) {
      const EpisodeHeader header = make(subject)->read_header(file);
      require(header.seed == record.seed && header.success == record.success,
              "read_header() does not return the seed and the outcome that were written");
    };
    // Before the episode is placed in a dataset, and after.
    const fs::path file = staged_file(*writer, written.path(), index);
    writer->write(file, record);
    require(fs::exists(file), "write() does not create the given file");
    require_header(file);
    store(*writer, folder.path(), index, record);
    require_header(writer->file_of(folder.path(), index));
  }
}

void nothing_else_is_left(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const Folder folder;
  const fs::path file = staged_file(*writer, folder.path(), 3);
  writer->write(file, subject.record());
  writer->write(file, subject.record());
  require(folder.names() == std::set<std::string>{file.filename().string()},
          "write() leaves other files in the folder; write to a temporary name and rename");
}

void the_same_record_gives_the_same_bytes(const EpisodeWriterSubject& subject) {
  const Folder folder;
  const auto bytes = [&](std::int64_t index) {
    const auto writer = make(subject);
    const fs::path file = staged_file(*writer, folder.path(), index);
    writer->write(file, subject.record());
    return read_text(file);
  };
  require(bytes(0) == bytes(1),
          "the same record gives different files; do not write times or the file's name");
}

void images_may_be_read_on_demand(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const EpisodeRecord complete = subject.record();
  EpisodeRecord record = complete;
  for (const StreamSpec& stream : record.streams) {
    if (stream.is_image()) record.observations.erase(stream.name);
  }
  record.read_images = [&](const StreamSpec& stream, std::int64_t first, std::int64_t count) {
    return complete.observations.at(stream.name).slice(0, first, first + count);
  };
  const Folder folder;
  const fs::path file = staged_file(*writer, folder.path(), 0);
  const auto bytes_of = [&](const EpisodeRecord& written) {
    writer->write(file, written);
    return read_text(file);
  };
  require(
      bytes_of(record) == bytes_of(complete),
      "images that `read_images` returns are not stored as those in `observations`; take images "
      "from EpisodeRecord::images()");
}

void a_record_that_does_not_fit_is_refused(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const Folder folder;
  const fs::path file = staged_file(*writer, folder.path(), 0);
  EpisodeRecord record = subject.record();
  record.actions = record.actions.slice(0, 1);
  require_error("a missing action", {"action"}, [&] { writer->write(file, record); });
  record = subject.record();
  record.observations.erase(kState);
  require_error("a record without its state", {"state"}, [&] { writer->write(file, record); });
  require(folder.names().empty(), "write() leaves a file although it rejects the record");
}

// ---- What is stored -----------------------------------------------------------------------------

// The written episodes; skips the check if the subject knows no dataset for them.
std::shared_ptr<Dataset> open_written(const EpisodeWriterSubject& subject, const fs::path& folder,
                                      const EpisodeRecord& record) {
  std::shared_ptr<Dataset> dataset;
  try {
    dataset = subject.read_back(folder, record);
  } catch (const Error& error) {
    throw CheckFailure(
        fmt::format("the dataset does not open what write() stored: {}", error.what()));
  }
  if (dataset == nullptr) {
    skip(
        "no dataset that reads the format is known; register one in the same plugin, or override "
        "EpisodeWriterSubject::read_back() in a test");
  }
  return dataset;
}

// A record of the same sizes with other contents.
EpisodeRecord reversed(EpisodeRecord record) {
  const auto reverse = [](at::Tensor& values) {
    std::vector<at::Tensor> rows = values.unbind(0);
    std::ranges::reverse(rows);
    values = at::stack(rows);
  };
  for (auto& [name, values] : record.observations) reverse(values);
  for (auto& [name, values] : record.labels) reverse(values);
  reverse(record.actions);
  record.seed = record.seed.value_or(0) + 1;
  record.success = !record.success.value_or(false);
  return record;
}

void records_are_read_back(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const Folder folder;
  const EpisodeRecord first = subject.record(), second = reversed(first);
  store(*writer, folder.path(), 0, first);
  store(*writer, folder.path(), 1, second);
  const auto dataset = open_written(subject, folder.path(), first);
  require(dataset->num_episodes() == 2,
          fmt::format("two episodes were written, {} are read", dataset->num_episodes()));
  require_stored(*dataset, 0, first);
  require_stored(*dataset, 1, second);
}

// One stream of each kind that not every format can store.
std::vector<std::pair<StreamSpec, at::Tensor>> extra_streams() {
  at::Generator generator = make_generator(2);
  const at::Tensor meters = at::rand({kRows, kHeight, kWidth}, generator) + 0.5;
  const at::Tensor force = at::rand({kRows, 3}, generator);
  std::vector<at::Tensor> texts;
  for (std::int64_t row = 0; row < kRows; ++row) {
    texts.push_back(text_tensor(fmt::format("step {}", row), 12));
  }
  return {{depth_stream("extra_depth", {kHeight, kWidth}), meters},
          {depth_stream("extra_depth", {kHeight, kWidth}, at::kUInt16, "mm"),
           (meters * 1000).to(at::kUInt16)},
          {vector_stream("extra_force", 3), force},
          {text_stream("extra_text", 12), at::stack(texts)}};
}

void every_stream_is_stored_or_refused(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const std::int64_t rows = subject.record().actions.size(0);
  for (const auto& [stream, values] : extra_streams()) {
    // Write the record with one more stream.
    const Folder folder;
    EpisodeRecord record = subject.record();
    record.streams.push_back(stream);
    const at::Tensor repeated = at::cat(std::vector<at::Tensor>(1 + rows / kRows, values));
    record.observations[stream.name] = repeated.slice(0, 0, rows).contiguous();
    try {
      store(*writer, folder.path(), 0, record);
    } catch (const Error& error) {
      require(std::string(error.what()).find(stream.name) != std::string::npos,
              fmt::format("the error for a stream that cannot be stored does not name '{}': {}",
                          stream.name, error.what()));
      continue;
    }
    require_stored(*open_written(subject, folder.path(), record), 0, record);
  }
}

void other_files_are_refused(const EpisodeWriterSubject& subject) {
  const auto writer = make(subject);
  const Folder folder;
  const fs::path file = staged_file(*writer, folder.path(), 0);
  require_error("a missing file", {file.filename().string()}, [&] { writer->read_header(file); });
  write_text_atomically(file, "this is not an episode\n");
  require_error("a file in another format", {file.filename().string()},
                [&] { writer->read_header(file); });
}

// Frames uint8 [L, H, W, 3] with a gradient along the width in red, along the height in green, and
// a brightness that grows with the row.
at::Tensor smooth_frames(std::int64_t darkest) {
  const at::Tensor brightness = darkest + 25 * at::arange(kRows).view({kRows, 1, 1});
  const at::Tensor x = at::arange(kWidth).view({1, 1, kWidth});
  const at::Tensor y = at::arange(kHeight).view({1, kHeight, 1});
  const at::Tensor red = brightness + 2 * x + 0 * y, green = brightness + 3 * y + 0 * x;
  const at::Tensor blue = brightness.expand_as(red);
  return at::stack({red, green, blue}, -1).to(at::kByte).contiguous();
}

}  // namespace

std::shared_ptr<Dataset> EpisodeWriterSubject::read_back(const fs::path&,
                                                         const EpisodeRecord&) const {
  return nullptr;
}

EpisodeRecord EpisodeWriterSubject::record() const {
  at::Generator generator = make_generator(1);
  const auto table = [&](std::int64_t width) { return at::rand({kRows, width}, generator); };
  EpisodeRecord record;
  record.streams = {rgb_stream("front", {kHeight, kWidth}), rgb_stream("top", {kHeight, kWidth}),
                    vector_stream(kState, 4), vector_stream(kVelocity, 4),
                    vector_stream(kEnvState, 2)};
  record.observations = {{"front", smooth_frames(20)},
                         {"top", smooth_frames(40)},
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
      {"the_header_is_read_back", "an interrupted collection continues from it",
       the_header_is_read_back},
      {"nothing_else_is_left", "the folder is a dataset", nothing_else_is_left},
      {"the_same_record_gives_the_same_bytes", "collections must be reproducible",
       the_same_record_gives_the_same_bytes},
      {"images_may_be_read_on_demand", "a long episode does not fit in memory",
       images_may_be_read_on_demand},
      {"a_record_that_does_not_fit_is_refused", "misaligned rows would be trained on silently",
       a_record_that_does_not_fit_is_refused},
      {"records_are_read_back", "a policy learns only what was stored", records_are_read_back},
      {"every_stream_is_stored_or_refused", "sensors must not be dropped silently",
       every_stream_is_stored_or_refused},
      {"other_files_are_refused", "a damaged file is not a finished episode",
       other_files_are_refused},
  };
  return checks;
}

}  // namespace roboimi::testing
