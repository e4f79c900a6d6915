// Tests of the episode writer checks: a correct writer passes all, and each fault is found by its
// check.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/io/safetensors.h"
#include "roboimi/testing/episode_writer_checks.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
namespace fs = std::filesystem;

enum class WriterFault {
  kNone,
  kOneFile,
  kForgetsTheSeed,
  kLeavesAFile,
  kWritesATime,
  kForgetsImages,
  kAcceptsAnything,
  kReadsAnything,
  kForgetsActions,
  kForgetsACamera,
  kShiftsACamera,
  kForgetsLabels,
  kForgetsTheRate,
  kForgetsDepth,
  kCutsTexts,
};

EpisodeHeader header_in(const std::map<std::string, std::string>& facts) {
  EpisodeHeader header;
  if (facts.contains("seed")) header.seed = std::stoull(facts.at("seed"));
  if (facts.contains("success")) header.success = facts.at("success") == "1";
  return header;
}

// An episode is a safetensors file. Its metadata has the seed and the success, the rate, and the
// kind and unit of each stream.
class FaultyWriter : public EpisodeWriter {
 public:
  explicit FaultyWriter(WriterFault fault) : fault_(fault) {}
  fs::path file_of(const fs::path& folder, std::int64_t index) const override {
    return folder / fmt::format("episode_{}.safetensors", has(WriterFault::kOneFile) ? 0 : index);
  }

  void write(const fs::path& file, const EpisodeRecord& record) const override {
    if (!has(WriterFault::kAcceptsAnything)) check(record);
    // Facts about the episode.
    std::map<std::string, std::string> facts = {
        {"control_hz",
         std::to_string(has(WriterFault::kForgetsTheRate) ? 0.0 : record.control_hz)}};
    if (has(WriterFault::kForgetsTheSeed)) facts["seed"] = "0";
    if (record.seed) facts.emplace("seed", std::to_string(*record.seed));
    if (record.success) facts["success"] = *record.success ? "1" : "0";
    if (has(WriterFault::kWritesATime)) facts["time"] = std::to_string(count_++);
    // Streams, labels and actions.
    std::map<std::string, at::Tensor> tensors;
    for (const StreamSpec& stream : record.streams) {
      if (is_forgotten(stream)) continue;
      facts["kind " + stream.name] = to_string(stream.kind);
      facts["unit " + stream.name] = stream.unit;
      tensors["stream " + stream.name] = stored(stream, values_of(record, stream));
    }
    for (const auto& [name, values] : record.labels) {
      if (!has(WriterFault::kForgetsLabels)) tensors["label " + name] = values;
    }
    tensors["actions"] =
        has(WriterFault::kForgetsActions) ? at::zeros_like(record.actions) : record.actions;
    std::erase_if(tensors, [](const auto& tensor) { return !tensor.second.defined(); });
    write_safetensors(file, tensors, facts);
    if (has(WriterFault::kLeavesAFile)) write_text_atomically(file.string() + ".log", "written");
  }

  EpisodeHeader read_header(const fs::path& file) const override {
    if (has(WriterFault::kReadsAnything)) return {};
    return header_in(read_safetensors(file).metadata);
  }

 private:
  bool has(WriterFault fault) const { return fault_ == fault; }
  static void check(const EpisodeRecord& record) {
    const at::Tensor state = record.observations.state();
    if (!state.defined()) throw Error("there is no state");
    if (record.actions.size(0) != state.size(0)) throw Error("an action for each state is needed");
  }
  at::Tensor values_of(const EpisodeRecord& record, const StreamSpec& stream) const {
    return stream.is_image() && !has(WriterFault::kForgetsImages)
               ? record.images(stream, 0, record.actions.size(0))
               : record.observations.get(stream.name);
  }
  bool is_forgotten(const StreamSpec& stream) const {
    return (has(WriterFault::kForgetsACamera) && stream.name == "top") ||
           (has(WriterFault::kForgetsDepth) && stream.kind == StreamKind::kDepth);
  }
  at::Tensor stored(const StreamSpec& stream, const at::Tensor& values) const {
    if (has(WriterFault::kShiftsACamera) && stream.name == "top") return values.roll(1, 0);
    if (has(WriterFault::kCutsTexts) && stream.kind == StreamKind::kText) {
      return at::cat({values.slice(1, 0, 4), at::zeros_like(values.slice(1, 4))}, 1);
    }
    return values;
  }

  WriterFault fault_;
  static inline std::atomic<int> count_ = 0;
};

// The episodes that FaultyWriter wrote into a folder.
class WrittenEpisodes : public Dataset {
 public:
  explicit WrittenEpisodes(const fs::path& folder) {
    std::set<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(folder)) paths.insert(entry.path());
    for (const fs::path& path : paths) {
      files_.push_back(read_safetensors(path));
      const EpisodeHeader header = header_in(files_.back().metadata);
      infos_.push_back({.file = path,
                        .length = files_.back().tensors.at("actions").size(0),
                        .seed = header.seed,
                        .success = header.success});
    }
    const auto& [tensors, facts] = files_.at(0);
    spec_.action_dim = tensors.at("actions").size(1);
    spec_.control_hz = std::stod(facts.at("control_hz"));
    for (const auto& [key, values] : tensors) {
      if (!key.starts_with("stream ")) continue;
      const std::string name = key.substr(std::string("stream ").size());
      spec_.streams.push_back({.name = name,
                               .kind = stream_kind_from(facts.at("kind " + name)),
                               .shape = values.sizes().slice(1).vec(),
                               .dtype = values.scalar_type(),
                               .unit = facts.at("unit " + name)});
    }
  }
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override { return std::ssize(infos_); }
  const EpisodeInfo& episode(std::int64_t index) const override { return infos_.at(place(index)); }
  at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    return tensors_of(episode).at("stream " + stream).narrow(0, first, count);
  }
  at::Tensor actions(std::int64_t episode) const override {
    return tensors_of(episode).at("actions");
  }
  std::map<std::string, at::Tensor> labels(std::int64_t episode) const override {
    std::map<std::string, at::Tensor> labels;
    for (const auto& [key, values] : tensors_of(episode)) {
      if (key.starts_with("label ")) labels[key.substr(std::string("label ").size())] = values;
    }
    return labels;
  }

 private:
  static std::size_t place(std::int64_t index) { return static_cast<std::size_t>(index); }
  const std::map<std::string, at::Tensor>& tensors_of(std::int64_t episode) const {
    return files_.at(place(episode)).tensors;
  }
  std::vector<TensorFile> files_;
  std::vector<EpisodeInfo> infos_;
  ObservationSpec spec_;
};

class FaultyWriterSubject : public EpisodeWriterSubject {
 public:
  explicit FaultyWriterSubject(WriterFault fault) : fault_(fault) {}
  std::shared_ptr<EpisodeWriter> make() const override {
    return std::make_shared<FaultyWriter>(fault_);
  }
  std::shared_ptr<Dataset> read_back(const fs::path& folder, const EpisodeRecord&) const override {
    return std::make_shared<WrittenEpisodes>(folder);
  }

 private:
  WriterFault fault_;
};

const std::vector<std::pair<WriterFault, std::string>> kWriterFaults = {
    {WriterFault::kOneFile, "each_episode_has_a_file"},
    {WriterFault::kForgetsTheSeed, "the_header_is_read_back"},
    {WriterFault::kLeavesAFile, "nothing_else_is_left"},
    {WriterFault::kWritesATime, "the_same_record_gives_the_same_bytes"},
    {WriterFault::kAcceptsAnything, "a_record_that_does_not_fit_is_refused"},
    {WriterFault::kReadsAnything, "other_files_are_refused"},
    {WriterFault::kForgetsActions, "records_are_read_back"},
    {WriterFault::kForgetsACamera, "records_are_read_back"},
    {WriterFault::kShiftsACamera, "records_are_read_back"},
    {WriterFault::kForgetsLabels, "records_are_read_back"},
    {WriterFault::kForgetsTheRate, "records_are_read_back"},
    {WriterFault::kForgetsImages, "images_may_be_read_on_demand"},
    {WriterFault::kForgetsDepth, "every_stream_is_stored_or_refused"},
    {WriterFault::kCutsTexts, "every_stream_is_stored_or_refused"}};

TEST(EpisodeWriterKit, PassesAWriterWithoutAFaultAndSkipsNothing) {
  const FaultyWriterSubject subject(WriterFault::kNone);
  EXPECT_THAT(failing_checks(episode_writer_checks(), subject), IsEmpty());
  EXPECT_THAT(checks_that(CheckStatus::kSkipped, episode_writer_checks(), subject), IsEmpty());
}

// A format that stores only images and vectors.
class PlainWriter final : public FaultyWriter {
 public:
  PlainWriter() : FaultyWriter(WriterFault::kNone) {}
  void write(const fs::path& file, const EpisodeRecord& record) const override {
    for (const StreamSpec& stream : record.streams) {
      const bool is_stored = stream.kind == StreamKind::kRgb || stream.kind == StreamKind::kVector;
      if (!is_stored) throw Error("the format cannot store '" + stream.name + "'");
    }
    FaultyWriter::write(file, record);
  }
};

class PlainWriterSubject final : public FaultyWriterSubject {
 public:
  PlainWriterSubject() : FaultyWriterSubject(WriterFault::kNone) {}
  std::shared_ptr<EpisodeWriter> make() const override { return std::make_shared<PlainWriter>(); }
};

TEST(EpisodeWriterKit, PassesAWriterThatRefusesStreams) {
  EXPECT_THAT(failing_checks(episode_writer_checks(), PlainWriterSubject()), IsEmpty());
}

// A subject that knows no dataset.
class UnreadWriterSubject final : public EpisodeWriterSubject {
 public:
  std::shared_ptr<EpisodeWriter> make() const override {
    return std::make_shared<FaultyWriter>(WriterFault::kNone);
  }
};

TEST(EpisodeWriterKit, SkipsTheContentsIfNoDatasetReadsThem) {
  EXPECT_THAT(checks_that(CheckStatus::kSkipped, episode_writer_checks(), UnreadWriterSubject()),
              UnorderedElementsAre("records_are_read_back", "every_stream_is_stored_or_refused"));
}

TEST(EpisodeWriterKit, FindsAFaultWithEachOfItsChecks) {
  std::set<std::string> checks, broken;
  for (const auto& [fault, check] : kWriterFaults) {
    EXPECT_TRUE(failing_checks(episode_writer_checks(), FaultyWriterSubject(fault)).contains(check))
        << check;
    broken.insert(check);
  }
  for (const Check<EpisodeWriterSubject>& check : episode_writer_checks()) {
    checks.insert(check.name);
  }
  EXPECT_EQ(checks, broken);
}

}  // namespace
}  // namespace roboimi::testing
