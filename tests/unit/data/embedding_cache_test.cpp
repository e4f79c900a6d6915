#include "roboimi/data/embedding_cache.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "roboimi/common/error.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/random.h"
#include "roboimi/data/cache_folder.h"
#include "tests/error_text.h"
#include "tests/unit/data/embedding_cache_fixture.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(EmbeddingCacheTest, ContainsTheFeaturesOfEachFrame) {
  const Embeddings cached = cached_embeddings(backbone_, data_, options());
  EXPECT_THAT(cached.values.sizes(), ElementsAre(15, 1, 6));
  EXPECT_THAT(cached.first, ElementsAre(0, 9, 15));
  EXPECT_EQ(cached.num_encoded, 15);
  EXPECT_TRUE(at::allclose(cached.values.slice(0, 0, 9).squeeze(1), direct(data_, 0)));
  EXPECT_TRUE(at::allclose(cached.values.slice(0, 9, 15).squeeze(1), direct(data_, 1)));
  EXPECT_EQ(cached.episode[8].item<std::int64_t>(), 0);
  EXPECT_EQ(cached.episode[9].item<std::int64_t>(), 1);
  EXPECT_EQ(cached.frame[14].item<std::int64_t>(), 5);
  EXPECT_EQ(num_files(".partial"), 0U);
}

TEST_F(EmbeddingCacheTest, IsReusedWithoutReadingAFrame) {
  const Embeddings first = cached_embeddings(backbone_, data_, options());
  const int calls = data_.num_frame_calls;
  const std::int64_t frames = backbone_.num_frames;
  const Embeddings second = cached_embeddings(backbone_, data_, options());
  EXPECT_EQ(data_.num_frame_calls, calls);
  EXPECT_EQ(backbone_.num_frames, frames);
  EXPECT_EQ(second.num_encoded, 0);
  EXPECT_EQ(second.file, first.file);
  EXPECT_TRUE(at::equal(second.values, first.values));
}

TEST_F(EmbeddingCacheTest, ContinuesAfterTheLastCompleteBlock) {
  EmbeddingCacheOptions interrupted = options();
  int blocks = 0;
  interrupted.should_stop = [&] { return ++blocks > 2; };
  try {
    cached_embeddings(backbone_, data_, interrupted);
    FAIL() << "not interrupted";
  } catch (const Interrupted& error) {
    EXPECT_THAT(error.what(), HasSubstr("interrupted after 8 of 15 frames"));
  }
  EXPECT_EQ(num_files(".safetensors"), 0U);
  // A torn write leaves part of a row.
  for (const auto& entry : fs::directory_iterator(folder_ / "cache")) {
    if (entry.path().extension() == ".partial") fs::resize_file(entry.path(), 8 * 24 + 30);
  }
  std::vector<std::int64_t> progress;
  EmbeddingCacheOptions resumed = options();
  resumed.progress = [&](std::int64_t done, std::int64_t) { progress.push_back(done); };
  const Embeddings cached = cached_embeddings(backbone_, data_, resumed);
  EXPECT_EQ(cached.num_encoded, 7);
  EXPECT_THAT(progress, ElementsAre(12, 15));
  EXPECT_TRUE(at::allclose(cached.values.slice(0, 0, 9).squeeze(1), direct(data_, 0)));
  EXPECT_TRUE(at::allclose(cached.values.slice(0, 9, 15).squeeze(1), direct(data_, 1)));
}

// Frames of one row cannot be read.
class DamagedDataset : public TableDataset {
 public:
  using TableDataset::TableDataset;
  at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    if (episode == 1 && first + count > 4) throw Error({.what = "the frame is damaged"});
    return TableDataset::read(episode, stream, first, count);
  }
};

TEST_F(EmbeddingCacheTest, WritesTheBlocksBeforeOneThatCannotBeRead) {
  const DamagedDataset damaged(folder_ / "damaged", {9, 6}, {"front", "top"});
  EXPECT_THAT(error_text([&] { cached_embeddings(backbone_, damaged, options()); }),
              HasSubstr("the frame is damaged"));
  // Row 4 of episode 1 is frame 13, in the fourth block of 4.
  for (const auto& entry : fs::directory_iterator(folder_ / "cache")) {
    if (entry.path().extension() != ".partial") continue;
    EXPECT_EQ(fs::file_size(entry.path()), 12U * 24U);
  }
  EXPECT_EQ(num_files(".partial"), 1U);
}

TEST_F(EmbeddingCacheTest, ReadsTheNextBlockWhileOneIsEncoded) {
  // Reading a block takes one call per camera and episode: 2, 2, 4 and 2 calls.
  std::vector<int> calls;
  EmbeddingCacheOptions observed = options();
  observed.progress = [&](std::int64_t, std::int64_t) { calls.push_back(data_.num_frame_calls); };
  backbone_.milliseconds = 50;
  cached_embeddings(backbone_, data_, observed);
  EXPECT_THAT(calls, ElementsAre(4, 8, 10, 10));
}

TEST_F(EmbeddingCacheTest, RemovesFilesOfKilledProcessesAndFollowsNoLink) {
  const Embeddings cached = cached_embeddings(backbone_, data_, options());
  const fs::path partial = fs::path(cached.file).replace_extension(".partial");
  std::ofstream(partial) << "left";
  cached_embeddings(backbone_, data_, options());
  EXPECT_FALSE(fs::exists(partial));

  fs::remove(cached.file);
  std::ofstream(folder_ / "elsewhere") << "precious";
  fs::create_symlink(folder_ / "elsewhere", partial);
  EXPECT_THAT(error_text([&] { cached_embeddings(backbone_, data_, options()); }),
              HasSubstr("the path is a symbolic link"));
  EXPECT_EQ(read_text(folder_ / "elsewhere"), "precious");
}

TEST_F(EmbeddingCacheTest, DrawsVariantsOnlyFromSeedFrameAndVariant) {
  MeanBackbone random({"top", "front"}, /*random=*/true);
  EmbeddingCacheOptions variants = options();
  variants.variants = 3;
  variants.seed = 5;
  const Embeddings cached = cached_embeddings(random, data_, variants);
  EXPECT_THAT(cached.values.sizes(), ElementsAre(15, 3, 6));
  EXPECT_FALSE(at::equal(cached.values.select(1, 0), cached.values.select(1, 1)));
  // Variant 2 of frame 10 (episode 1, row 1), computed directly.
  at::Generator generator = make_generator(mix_seed(5, 10, 2));
  random.train();
  const at::Tensor expected =
      random.encode({{"top", data_.all_frames(1, "top").slice(0, 1, 2).unsqueeze(0)},
                     {"front", data_.all_frames(1, "front").slice(0, 1, 2).unsqueeze(0)}},
                    generator);
  EXPECT_TRUE(at::allclose(cached.values[10][2], expected.flatten()));

  EmbeddingCacheOptions other_blocks = variants;
  other_blocks.folder = folder_ / "other";
  other_blocks.block_size = 7;
  random.eval();
  EXPECT_TRUE(at::equal(cached_embeddings(random, data_, other_blocks).values, cached.values));
  EXPECT_FALSE(random.is_training()) << "the mode is restored";
  variants.seed = 6;
  EXPECT_EQ(cached_embeddings(random, data_, variants).num_encoded, 15);
}

TEST_F(EmbeddingCacheTest, UsesTheEvaluationTransformForOneVariant) {
  MeanBackbone random({"top", "front"}, /*random=*/true);
  random.train();
  const Embeddings cached = cached_embeddings(random, data_, options());
  EXPECT_TRUE(at::allclose(cached.values.slice(0, 0, 9).squeeze(1), direct(data_, 0)));
  EXPECT_TRUE(random.is_training());
}

TEST_F(EmbeddingCacheTest, IsBuiltOnceByTwoConcurrentProcesses) {
  backbone_.milliseconds = 20;
  std::vector<pid_t> children;
  for (int i = 0; i < 2; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      const Embeddings cached = cached_embeddings(backbone_, data_, options());
      ::_exit(static_cast<int>(cached.num_encoded));
    }
    children.push_back(child);
  }
  int encoded = 0;
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    encoded += WEXITSTATUS(status);
  }
  EXPECT_EQ(encoded, 15) << "each frame must be encoded by one of them";
  EXPECT_EQ(num_files(".safetensors"), 1U);
  EXPECT_EQ(num_files(".partial"), 0U);
  EXPECT_EQ(cached_embeddings(backbone_, data_, options()).num_encoded, 0);
}

TEST_F(EmbeddingCacheTest, ReturnsEpisodesInTheGivenOrder) {
  MeanBackbone backbone({"top", "front"});
  const Embeddings embeddings = cached_embeddings(backbone, data_, options());
  const at::Tensor both = embeddings.of_episodes({0, 1});
  EXPECT_EQ(both.const_data_ptr(), embeddings.values.const_data_ptr()) << "a copy was made";
  EXPECT_TRUE(
      at::equal(embeddings.of_episodes({1, 0}), at::cat({both.slice(0, 9), both.slice(0, 0, 9)})));
}

TEST(CacheFolder, ReportsWhyItCannotBeCreated) {
  const ScratchFolder folder;
  std::ofstream(folder / "file") << "no folder";
  try {
    const ProcessLock lock = lock_cached_file(folder / "file" / "embeddings");
    FAIL() << "locked";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("file: cannot create the folder: Not a directory"));
  }
}

TEST_F(EmbeddingCacheTest, NamesItsFileBeforeItIsWritten) {
  const fs::path file = embedding_file(backbone_, data_, options());
  EXPECT_FALSE(fs::exists(file));
  EXPECT_EQ(cached_embeddings(backbone_, data_, options()).file, file);
  backbone_.weight[0] += 1;
  EXPECT_NE(embedding_file(backbone_, data_, options()), file);
}

TEST_F(EmbeddingCacheTest, LeavesNothingUnderTheFinalNameWhenTheDiskIsFull) {
  EmbeddingCacheOptions nowhere = options();
  nowhere.folder = "/dev/full/cache";
  EXPECT_THROW(cached_embeddings(backbone_, data_, nowhere), Error);
}

TEST(CacheFolder, IsNextToTheDataOrInTheUsersCache) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {2}, {});
  EXPECT_EQ(cache_folder(data), fs::absolute(folder / "data") / ".roboimi_cache");
  // Nobody, not even root, can create files in a folder whose path is a file.
  const TableDataset blocked(folder / "blocked", {2}, {});
  std::ofstream(folder / "blocked/.roboimi_cache") << "in the way";
  ::setenv("XDG_CACHE_HOME", (folder / "home").c_str(), 1);
  EXPECT_EQ(cache_folder(blocked), folder / "home/roboimi");
  ::unsetenv("XDG_CACHE_HOME");
}

TEST(CacheFolder, IsTheOneThatHoldsAllFilesIfItIsNear) {
  class SpreadDataset : public TableDataset {
   public:
    using TableDataset::TableDataset;
    std::vector<fs::path> files() const override {
      std::vector<fs::path> all = TableDataset::files();
      all.push_back(other);
      return all;
    }
    fs::path other;
  };
  const ScratchFolder folder;
  SpreadDataset data(folder / "set/data/chunk-000", {2}, {});
  data.other = folder / "set/meta/info.json";
  EXPECT_EQ(cache_folder(data), fs::absolute(folder / "set") / ".roboimi_cache");
  data.other = "/elsewhere/link.raw";
  EXPECT_EQ(cache_folder(data), fs::absolute(folder / "set/data/chunk-000") / ".roboimi_cache");
}

TEST(CacheFolder, IsPlannedWithoutBeingCreated) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {2}, {});
  const fs::path beside = fs::absolute(folder / "data") / ".roboimi_cache";
  EXPECT_EQ(planned_cache_folder(data), beside);
  EXPECT_FALSE(fs::exists(beside));
  std::ofstream(beside) << "in the way";
  ::setenv("XDG_CACHE_HOME", (folder / "home").c_str(), 1);
  EXPECT_EQ(planned_cache_folder(data), folder / "home/roboimi");
  EXPECT_FALSE(fs::exists(folder / "home"));
  ::unsetenv("XDG_CACHE_HOME");
}

TEST(CacheFolder, NeedsADatasetWithEpisodes) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {}, {});
  EXPECT_THAT(error_text([&] { cache_folder(data); }),
              HasSubstr("data: the dataset has no episodes: expected at least one"));
}

TEST(CacheFolder, IsNotUsedIfEverybodyCanWriteToIt) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {2}, {});
  fs::create_directories(folder / "data/.roboimi_cache");
  fs::permissions(folder / "data/.roboimi_cache", fs::perms::all);
  ::setenv("XDG_CACHE_HOME", (folder / "home").c_str(), 1);
  EXPECT_EQ(cache_folder(data), folder / "home/roboimi");
  fs::permissions(folder / "home/roboimi", fs::perms::all);
  const std::string text = error_text([&] { cache_folder(data); });
  EXPECT_THAT(text, HasSubstr("no usable folder for cached data"));
  EXPECT_THAT(text, HasSubstr("set cache.folder to a folder with space"));
  ::unsetenv("XDG_CACHE_HOME");
}

TEST(CacheFolder, MustBelongToThisUserOrTheOwnerOfTheData) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files to another user";
  constexpr uid_t kAnother = 12345;
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {2}, {});
  const fs::path beside = fs::absolute(folder / "data") / ".roboimi_cache";
  fs::create_directories(beside);
  ASSERT_EQ(::chown(beside.c_str(), kAnother, kAnother), 0);
  ::setenv("XDG_CACHE_HOME", (folder / "home").c_str(), 1);
  EXPECT_EQ(cache_folder(data), folder / "home/roboimi");
  ASSERT_EQ(::chown((folder / "data").c_str(), kAnother, kAnother), 0);
  EXPECT_EQ(cache_folder(data), beside);
  ::unsetenv("XDG_CACHE_HOME");
}

}  // namespace
}  // namespace roboimi
