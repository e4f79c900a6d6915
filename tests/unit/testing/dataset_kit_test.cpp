// Tests of the dataset checks: a correct dataset passes all, and each fault is found by its check.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/testing/dataset_checks.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

enum class DataFault {
  kNone,
  kNoSize,
  kShortActions,
  kOtherFrame,
  kOtherOrder,
  kBeyondTheEnd,
  kMapsOtherBytes,
  kOneReader,
  kWrongDtype,
  kOtherRow,
  kOtherRowsPerReader,
  kFewTexts,
  kOtherText,
  kBrokenText,
  kTextBehindItsEnd,
  kDepthOfAnotherDtype,
  kDepthNotFinite,
  kEpisodeInTwoParts,
};

class FaultyDataset : public Dataset {
 public:
  FaultyDataset(DataFault fault, int reader) : fault_(fault), reader_(reader) {
    const ImageSize size = fault == DataFault::kNoSize ? ImageSize{} : ImageSize{4, 5};
    spec_ = {.streams = {rgb_stream("top", size), depth_stream("range", {4, 5}, at::kUInt16, "mm"),
                         depth_stream("range_m", {4, 5}), vector_stream(kState, 2),
                         text_stream("task", 8)},
             .action_dim = 3};
    if (fault == DataFault::kWrongDtype) spec_.streams.back().dtype = at::kLong;
    episode_ = {.file = "a", .length = 6};
  }
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override { return 1; }
  const EpisodeInfo& episode(std::int64_t) const override { return episode_; }
  at::Tensor actions(std::int64_t) const override {
    const double value = fault_ == DataFault::kOtherOrder ? reader_ : among_others();
    return at::full({fault_ == DataFault::kShortActions ? 5 : 6, 3}, value, at::kFloat);
  }
  std::optional<FrameExtent> frame_extent(std::int64_t, const std::string& stream,
                                          std::int64_t) const override {
    if (fault_ != DataFault::kMapsOtherBytes || stream != "top") return std::nullopt;
    // Any sufficiently large file with other contents.
    return FrameExtent{.file = ROBOIMI_SOURCE_DIR "/LICENSE"};
  }
  std::vector<DatasetPart> parts() const override {
    std::vector<DatasetPart> parts = {{.name = "day 1", .weight = 2.0, .episodes = {0}}};
    if (has(DataFault::kEpisodeInTwoParts)) parts.push_back({.name = "day 2", .episodes = {0}});
    return parts;
  }
  at::Tensor read(std::int64_t, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    if (spec_.find(stream) == nullptr) throw Error("no stream '" + stream + "'");
    if (first + count > 6 && fault_ != DataFault::kBeyondTheEnd) throw Error("beyond the end");
    if (has(DataFault::kFewTexts) && stream == "task" && count > 1) --count;
    std::vector<at::Tensor> rows;
    for (std::int64_t i = 0; i < count; ++i) rows.push_back(row_of(stream, i, first + i));
    return at::stack(rows);
  }

 private:
  // The fault: returns 1 instead of 0 if another thread is reading at the same time.
  double among_others() const {
    if (fault_ != DataFault::kOneReader) return 0.0;
    const bool is_alone = readers_++ == 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    --readers_;
    return is_alone ? 0.0 : 1.0;
  }
  // Row `row` of a stream, which is number `i` of those that are read.
  at::Tensor row_of(const std::string& stream, std::int64_t i, std::int64_t row) const {
    if (stream == "task") return text_of_row(has(DataFault::kOtherText) ? i : row);
    if (stream == kState) {
      const std::int64_t offset = has(DataFault::kOtherRowsPerReader) ? reader_ : 0;
      return at::full({2}, (has(DataFault::kOtherRow) ? i : row) + offset, at::kFloat);
    }
    if (stream == "range_m") {
      return at::full({4, 5}, has(DataFault::kDepthNotFinite) ? INFINITY : 1.5, at::kFloat);
    }
    if (stream == "range") {
      const at::Tensor depth = at::full({4, 5}, 1000 + row, at::kInt);
      return has(DataFault::kDepthOfAnotherDtype) ? depth : depth.to(at::kUInt16);
    }
    return at::full({4, 5, 3}, has(DataFault::kOtherFrame) ? i : row, at::kByte);
  }
  at::Tensor text_of_row(std::int64_t row) const {
    at::Tensor text = text_tensor("row " + std::to_string(row), 8);
    if (has(DataFault::kBrokenText)) text[0] = 0xFF;
    if (has(DataFault::kTextBehindItsEnd)) text[7] = 'x';
    return text;
  }
  bool has(DataFault fault) const { return fault_ == fault; }

  mutable std::atomic<int> readers_ = 0;
  DataFault fault_;
  int reader_;
  ObservationSpec spec_;
  EpisodeInfo episode_;
};

class FaultyData : public DatasetSubject {
 public:
  explicit FaultyData(DataFault fault) : fault_(fault) {}
  std::shared_ptr<Dataset> make() const override {
    return std::make_shared<FaultyDataset>(fault_, readers_++);
  }

 private:
  DataFault fault_;
  mutable int readers_ = 0;
};

TEST(DatasetKit, PassesADatasetWithoutAFaultAndFindsEachFault) {
  const auto failing = [](DataFault fault) {
    return failing_checks(dataset_checks(), FaultyData(fault));
  };
  EXPECT_THAT(failing(DataFault::kNone), IsEmpty());
  EXPECT_THAT(failing(DataFault::kNoSize), Contains("spec_is_complete"));
  EXPECT_THAT(failing(DataFault::kShortActions), Contains("rows_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kOtherFrame), Contains("frames_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kOtherOrder), Contains("reading_twice_gives_the_same"));
  EXPECT_THAT(failing(DataFault::kBeyondTheEnd), Contains("missing_streams_and_rows_are_refused"));
  EXPECT_THAT(failing(DataFault::kMapsOtherBytes), Contains("mapped_frames_equal_decoded_frames"));
  EXPECT_THAT(failing(DataFault::kOneReader), Contains("threads_may_read_at_once"));
  EXPECT_THAT(failing(DataFault::kWrongDtype), Contains("spec_is_complete"));
  EXPECT_THAT(failing(DataFault::kOtherRow), Contains("rows_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kOtherRowsPerReader), Contains("reading_twice_gives_the_same"));
  EXPECT_THAT(failing(DataFault::kFewTexts), Contains("strings_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kOtherText), Contains("strings_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kBrokenText), Contains("strings_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kTextBehindItsEnd), Contains("strings_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kDepthOfAnotherDtype), Contains("frames_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kDepthNotFinite), Contains("frames_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kEpisodeInTwoParts), Contains("parts_hold_each_episode_once"));
}

}  // namespace
}  // namespace roboimi::testing
