#include "roboimi/data/frame_store.h"

#include <gmock/gmock.h>

#include "roboimi/common/error.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

class FrameStoreTest : public ::testing::Test {
 protected:
  std::shared_ptr<TableDataset> dataset(std::size_t stored) const {
    return std::make_shared<TableDataset>(folder_ / "data", std::vector<std::int64_t>{40, 3},
                                          std::vector<std::string>{"front", "top"}, ImageSize{4, 5},
                                          stored);
  }
  FrameStoreOptions options() const { return {.folder = folder_ / "cache"}; }
  std::size_t num_cache_files() const {
    if (!std::filesystem::exists(folder_ / "cache")) return 0;
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "cache")) {
      if (entry.path().extension() == ".bin") ++count;
    }
    return count;
  }
  static void expect_all_frames(const FrameStore& store, const TableDataset& data) {
    for (std::int64_t episode = 0; episode < data.num_episodes(); ++episode) {
      for (std::int64_t row = 0; row < data.episode(episode).length; ++row) {
        for (const std::string& camera : data.spec().camera_names()) {
          ASSERT_TRUE(
              at::equal(store.frame({episode, row}, camera), data.all_frames(episode, camera)[row]))
              << camera << " " << episode << " " << row;
        }
      }
    }
  }
  ScratchFolder folder_;
};

TEST_F(FrameStoreTest, MapsUncompressedFramesWithoutReadingOrCopyingThem) {
  const auto data = dataset(2);
  const FrameStore store(data, data->spec().camera_names(), options());
  EXPECT_EQ(store.num_mapped_in_place(), 86);
  EXPECT_EQ(store.num_frames(), 86);
  EXPECT_EQ(data->num_frame_calls, 0);
  EXPECT_EQ(num_cache_files(), 0U);
  expect_all_frames(store, *data);
}

TEST_F(FrameStoreTest, DecodesOtherFramesOnceIntoAFileThatLaterStoresReuse) {
  const auto data = dataset(1);
  std::vector<std::int64_t> progress;
  FrameStoreOptions with_progress = options();
  with_progress.progress = [&](std::int64_t done, std::int64_t) { progress.push_back(done); };
  const FrameStore store(data, data->spec().camera_names(), with_progress);
  EXPECT_EQ(store.num_mapped_in_place(), 43);
  EXPECT_THAT(progress, ::testing::ElementsAre(32, 40, 43));
  EXPECT_EQ(num_cache_files(), 1U);
  expect_all_frames(store, *data);

  const int calls = data->num_frame_calls;
  const FrameStore again(data, data->spec().camera_names(), options());
  EXPECT_EQ(data->num_frame_calls, calls);
  expect_all_frames(again, *data);
}

TEST_F(FrameStoreTest, StopsDecodingBetweenBlocksAndLeavesNoFile) {
  const auto data = dataset(1);
  for (const FrameStorage storage : {FrameStorage::kDisk, FrameStorage::kMemory}) {
    FrameStoreOptions interrupted = options();
    interrupted.storage = storage;
    int calls = 0;
    interrupted.should_stop = [&] { return ++calls > 2; };
    EXPECT_THAT(error_text([&] {
                  FrameStore(data, {"front", "top"}, interrupted);
                }),
                HasSubstr("interrupted after "));
    EXPECT_EQ(num_cache_files(), 0U);
  }
}

TEST_F(FrameStoreTest, NamesItsCacheFileBeforeItIsWritten) {
  const auto decoded = dataset(1);
  const std::vector<std::string> cameras = {"top", "front"};
  const auto file = decoded_frames_file(*decoded, cameras, options());
  EXPECT_FALSE(std::filesystem::exists(file));
  { const FrameStore store(decoded, cameras, options()); }
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_NE(decoded_frames_file(*decoded, {"front"}, options()), file);
  EXPECT_EQ(decoded_frames_file(*dataset(2), cameras, options()), "") << "all frames are mapped";
}

TEST_F(FrameStoreTest, DecodesAgainWhenADataFileChanged) {
  const auto data = dataset(0);
  { const FrameStore store(data, {"front"}, options()); }
  std::ofstream(data->episode(1).file, std::ios::app) << "more";
  const int calls = data->num_frame_calls;
  const FrameStore store(data, {"front"}, options());
  EXPECT_GT(data->num_frame_calls, calls);
  EXPECT_EQ(num_cache_files(), 2U);
}

TEST_F(FrameStoreTest, GathersRowsInTheGivenOrder) {
  const auto data = dataset(1);
  const FrameStore store(data, data->spec().camera_names(), options());
  const Observation images = store.gather({{1, 2}, {0, 39}, {0, 0}, {1, 2}});
  for (const auto& [camera, frames] : images) {
    EXPECT_TRUE(at::equal(
        frames, at::stack({data->all_frames(1, camera)[2], data->all_frames(0, camera)[39],
                           data->all_frames(0, camera)[0], data->all_frames(1, camera)[2]})));
  }
  EXPECT_EQ(images.size(), 2U);
}

TEST_F(FrameStoreTest, KeepsDecodedFramesInMemoryWithoutACacheFile) {
  const auto data = dataset(1);
  FrameStoreOptions in_memory = options();
  in_memory.storage = FrameStorage::kMemory;
  const FrameStore store(data, data->spec().camera_names(), in_memory);
  const int calls = data->num_frame_calls;
  expect_all_frames(store, *data);
  EXPECT_EQ(data->num_frame_calls, calls);
  EXPECT_EQ(num_cache_files(), 0U);
}

TEST_F(FrameStoreTest, StreamsFramesAndDecodesSuccessiveRowsTogether) {
  const auto data = dataset(1);
  FrameStoreOptions streamed = options();
  streamed.storage = FrameStorage::kStream;
  const FrameStore store(data, data->spec().camera_names(), streamed);
  EXPECT_EQ(data->num_frame_calls, 0);
  const Observation images = store.gather({{0, 3}, {0, 4}, {0, 5}, {1, 2}, {0, 6}});
  EXPECT_EQ(data->num_frame_calls, 3);  // of camera top; front is mapped
  for (const auto& [camera, frames] : images) {
    EXPECT_TRUE(at::equal(frames, at::cat({data->all_frames(0, camera).slice(0, 3, 6),
                                           data->all_frames(1, camera).slice(0, 2, 3),
                                           data->all_frames(0, camera).slice(0, 6, 7)})));
  }
  expect_all_frames(store, *data);
  EXPECT_EQ(num_cache_files(), 0U);
}

TEST_F(FrameStoreTest, RefusesAFileThatEndsInsideAFrame) {
  const auto data = dataset(1);
  std::filesystem::resize_file(data->episode(0).file, 1000);
  try {
    const FrameStore store(data, {"front"}, options());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("episode_0.raw"));
    EXPECT_THAT(error.what(), HasSubstr("ends inside a frame of camera 'front'"));
  }
}

TEST_F(FrameStoreTest, RefusesACacheFileOfTheWrongSize) {
  const auto data = dataset(0);
  { const FrameStore store(data, {"front"}, options()); }
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "cache")) {
    if (entry.path().extension() == ".bin") std::filesystem::resize_file(entry.path(), 10);
  }
  try {
    const FrameStore store(data, {"front"}, options());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("delete it; it will be rebuilt"));
  }
}

TEST_F(FrameStoreTest, NamesTheDatasetWhoseFramesDoNotMatchItsSpec) {
  class OddDataset : public TableDataset {
   public:
    using TableDataset::TableDataset;
    at::Tensor read(std::int64_t, const std::string&, std::int64_t, std::int64_t) const override {
      return at::zeros({1, 4, 5, 3});
    }
  };
  const auto odd = std::make_shared<OddDataset>(folder_ / "odd", std::vector<std::int64_t>{1},
                                                std::vector<std::string>{"front"});
  EXPECT_THAT(error_text([&] { const FrameStore store(odd, {"front"}, options()); }),
              ::testing::AllOf(HasSubstr("episode_0.raw: read('front') of the dataset"),
                               HasSubstr("OddDataset"), HasSubstr("found Float [1, 4, 5, 3]")));
  EXPECT_EQ(num_cache_files(), 0U);
}

TEST_F(FrameStoreTest, DecodesAgainForAnotherBuildOfTheDatasetsPlugin) {
  const auto data = dataset(0);
  FrameStoreOptions first = options();
  first.identity.build = "1.0";
  { const FrameStore store(data, {"front"}, first); }
  first.identity.build = "1.1";
  const FrameStore store(data, {"front"}, first);
  EXPECT_EQ(num_cache_files(), 2U);
}

}  // namespace
}  // namespace roboimi
