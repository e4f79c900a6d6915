#include "roboimi/data/embedding_cache.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/random.h"
#include "roboimi/data/cache_folder.h"
#include "roboimi/io/safetensors.h"
#include "roboimi/model/backbone.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Weighted means of each camera's channels; in training mode, of one row of pixels drawn at random.
class MeanBackbone : public Backbone {
 public:
  explicit MeanBackbone(std::vector<std::string> cameras, bool random = false)
      : cameras_(std::move(cameras)), random_(random) {
    weight = register_parameter("weight", at::arange(1, 4, at::kFloat), /*requires_grad=*/false);
    offset = register_buffer("offset", at::zeros({1}));
  }
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return 3; }
  bool frozen() const override { return is_frozen; }
  bool has_random_transform() const override { return random_; }
  at::Tensor encode(const Images& images, at::Generator& generator) override {
    if (milliseconds > 0) std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    std::vector<at::Tensor> features;
    for (at::Tensor image : ordered_images(images)) {
      num_frames += image.size(0);
      if (random_ && is_training()) {
        const at::Tensor row = at::randint(0, image.size(2), {1}, generator, at::kLong);
        image = image.index_select(2, row);
      }
      features.push_back(image.to(at::kFloat).mean({2, 3}) * weight + offset);
    }
    return at::cat(features, 2);
  }

  at::Tensor weight, offset;
  bool is_frozen = true;
  int milliseconds = 0;
  std::int64_t num_frames = 0;

 private:
  std::vector<std::string> cameras_;
  bool random_;
};

class EmbeddingCacheTest : public ::testing::Test {
 protected:
  static ComponentIdentity identity() {
    return {.component = "backbone 'mean' of plugin 'means'", .build = "1.0", .options = "a: 1"};
  }
  EmbeddingCacheOptions options() const {
    return {.folder = folder_ / "cache", .identity = identity(), .block_size = 4};
  }
  static at::Tensor direct(const TableDataset& data, std::int64_t episode) {
    std::vector<at::Tensor> features;
    for (const std::string camera : {"top", "front"}) {
      features.push_back(data.all_frames(episode, camera).to(at::kFloat).mean({1, 2}) *
                         at::arange(1, 4, at::kFloat));
    }
    return at::cat(features, 1);
  }
  std::size_t num_files(const std::string& extension) const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache")) {
      count += entry.path().extension() == extension;
    }
    return count;
  }
  ScratchFolder folder_;
  TableDataset data_{folder_ / "data", {9, 6}, {"front", "top"}};
  MeanBackbone backbone_{{"top", "front"}};
};

TEST_F(EmbeddingCacheTest, HoldsWhatTheBackboneGivesForEachFrame) {
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

TEST_F(EmbeddingCacheTest, IsFoundAgainWithoutTouchingAFrame) {
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

TEST_F(EmbeddingCacheTest, IsRebuiltWhenAnythingChangesThatTheNumbersDependOn) {
  cached_embeddings(backbone_, data_, options());
  const auto expect_rebuilt = [&](const std::string& what, const EmbeddingCacheOptions& with) {
    const Embeddings again = cached_embeddings(backbone_, data_, with);
    EXPECT_EQ(again.num_encoded, 15) << what;
    EXPECT_EQ(cached_embeddings(backbone_, data_, with).num_encoded, 0) << what;
    return again;
  };
  backbone_.weight[0] += 1;
  const Embeddings changed = expect_rebuilt("a weight", options());
  EXPECT_TRUE(at::allclose(changed.values.squeeze(1).slice(0, 0, 9).select(1, 0),
                           direct(data_, 0).select(1, 0) * 2));
  backbone_.offset.fill_(1e-7);
  expect_rebuilt("a buffer", options());
  const auto expect_rebuilt_with = [&](auto part, auto member) {
    EmbeddingCacheOptions other = options();
    (other.*part).*member += ", another";
    expect_rebuilt("an identity", other);
  };
  for (auto part : {&EmbeddingCacheOptions::identity, &EmbeddingCacheOptions::data_identity}) {
    expect_rebuilt_with(part, &ComponentIdentity::component);
    expect_rebuilt_with(part, &ComponentIdentity::build);
    expect_rebuilt_with(part, &ComponentIdentity::options);
  }
  at::globalContext().setUserEnabledMkldnn(false);
  expect_rebuilt("the CPU's libraries", options());
  at::globalContext().setUserEnabledMkldnn(true);
  std::ofstream(data_.episode(1).file, std::ios::app) << "more";
  expect_rebuilt("a file's size", options());
  fs::last_write_time(data_.episode(1).file,
                      fs::last_write_time(data_.episode(1).file) + std::chrono::seconds(1));
  expect_rebuilt("a file's time", options());
}

TEST_F(EmbeddingCacheTest, TellsFilesByTheirContentsWhenAskedToVerify) {
  EmbeddingCacheOptions verify = options();
  verify.verify = true;
  const fs::path file = data_.episode(0).file;
  cached_embeddings(backbone_, data_, verify);
  const auto time = fs::last_write_time(file);
  fs::last_write_time(file, time + std::chrono::seconds(5));
  EXPECT_EQ(cached_embeddings(backbone_, data_, verify).num_encoded, 0);
  std::fstream(file, std::ios::in | std::ios::out) << "HEADER";  // same size
  fs::last_write_time(file, time);
  EXPECT_EQ(cached_embeddings(backbone_, data_, verify).num_encoded, 15);
}

TEST_F(EmbeddingCacheTest, ContinuesAfterTheLastWholeBlock) {
  EmbeddingCacheOptions interrupted = options();
  int blocks = 0;
  interrupted.should_stop = [&] { return ++blocks > 2; };
  try {
    cached_embeddings(backbone_, data_, interrupted);
    FAIL() << "not interrupted";
  } catch (const Error& error) {
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

TEST_F(EmbeddingCacheTest, DrawsVariantsFromSeedFrameAndNumberAlone) {
  MeanBackbone random({"top", "front"}, /*random=*/true);
  EmbeddingCacheOptions variants = options();
  variants.variants = 3;
  variants.seed = 5;
  const Embeddings cached = cached_embeddings(random, data_, variants);
  EXPECT_THAT(cached.values.sizes(), ElementsAre(15, 3, 6));
  EXPECT_FALSE(at::equal(cached.values.select(1, 0), cached.values.select(1, 1)));
  // Variant 2 of frame 10 (episode 1, row 1), by hand.
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

TEST_F(EmbeddingCacheTest, UsesTheEvaluationTransformWhenThereIsOneVariant) {
  MeanBackbone random({"top", "front"}, /*random=*/true);
  random.train();
  const Embeddings cached = cached_embeddings(random, data_, options());
  EXPECT_TRUE(at::allclose(cached.values.slice(0, 0, 9).squeeze(1), direct(data_, 0)));
  EXPECT_TRUE(random.is_training());
}

TEST_F(EmbeddingCacheTest, IsMadeOnceByTwoProcessesAtOnce) {
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
  EXPECT_EQ(encoded, 15) << "each frame by one of them";
  EXPECT_EQ(num_files(".safetensors"), 1U);
  EXPECT_EQ(num_files(".partial"), 0U);
  EXPECT_EQ(cached_embeddings(backbone_, data_, options()).num_encoded, 0);
}

TEST_F(EmbeddingCacheTest, KeepsTheTypeThatTheBackboneAsksFor) {
  class HalfBackbone : public MeanBackbone {
   public:
    using MeanBackbone::MeanBackbone;
    at::ScalarType cached_dtype() const override { return at::kHalf; }
  };
  HalfBackbone backbone({"top", "front"});
  const Embeddings embeddings = cached_embeddings(backbone, data_, options());
  EXPECT_EQ(embeddings.values.scalar_type(), at::kHalf);
  EXPECT_TRUE(at::equal(embeddings.of_episodes({0}).squeeze(1), direct(data_, 0).to(at::kHalf)));
  MeanBackbone full({"top", "front"});
  EXPECT_NE(embedding_fingerprint(full, data_, options()), embeddings.fingerprint);
}

TEST_F(EmbeddingCacheTest, IsSharedByAgentsWhoseBackboneNamesItself) {
  class NamedBackbone : public MeanBackbone {
   public:
    using MeanBackbone::MeanBackbone;
    std::string cache_identity() const override { return "means 1"; }
  };
  NamedBackbone backbone({"top"});
  EmbeddingCacheOptions other = options();
  other.identity.component = "agent 'another'";
  other.identity.options = "around it";
  EXPECT_EQ(embedding_fingerprint(backbone, data_, options()),
            embedding_fingerprint(backbone, data_, other));
  other.identity.build = "2.0";
  EXPECT_NE(embedding_fingerprint(backbone, data_, options()),
            embedding_fingerprint(backbone, data_, other));
}

TEST_F(EmbeddingCacheTest, IsRebuiltWhenASideFileChanges) {
  class SideFiles : public TableDataset {
   public:
    using TableDataset::TableDataset;
    std::vector<fs::path> files() const override {
      std::vector<fs::path> files = Dataset::files();
      files.push_back(side);
      files.push_back(side);  // named twice, as shards of several episodes are
      return files;
    }
    fs::path side;
  };
  SideFiles data(folder_ / "sides", {3, 2}, {"front", "top"});
  data.side = folder_ / "video.mp4";
  write_text_atomically(data.side, "frames");
  EXPECT_EQ(cached_embeddings(backbone_, data, options()).num_encoded, 5);
  EXPECT_EQ(cached_embeddings(backbone_, data, options()).num_encoded, 0);
  write_text_atomically(data.side, "other frames");
  EXPECT_EQ(cached_embeddings(backbone_, data, options()).num_encoded, 5);
  fs::remove(data.side);
  EXPECT_THAT(error_text([&] { cached_embeddings(backbone_, data, options()); }),
              HasSubstr("video.mp4: cannot read"));
}

TEST_F(EmbeddingCacheTest, RefusesAFileOfAnotherWidth) {
  const Embeddings cached = cached_embeddings(backbone_, data_, options());
  TensorFile stored = read_safetensors(cached.file);
  const auto error_with = [&](const std::string& name, const at::Tensor& tensor) {
    auto tensors = stored.tensors;
    tensors[name] = tensor;
    write_safetensors(cached.file, tensors, stored.metadata);
    return error_text([&] { cached_embeddings(backbone_, data_, options()); });
  };
  EXPECT_THAT(error_with("embeddings", at::zeros({15, 1, 5})),
              AllOf(HasSubstr("embeddings Float [15, 1, 6]; found Float [15, 1, 5]"),
                    HasSubstr("delete it; it is made again")));
  EXPECT_THAT(error_with("embeddings", at::zeros({15, 2, 6})), HasSubstr("found Float [15, 2, 6]"));
  EXPECT_THAT(error_with("embeddings", at::zeros({15, 1, 6}, at::kHalf)),
              HasSubstr("found Half [15, 1, 6]"));
  EXPECT_THAT(error_with("frame", at::zeros({14}, at::kLong)), HasSubstr("frame Long [15]"));
}

TEST_F(EmbeddingCacheTest, NamesThePluginWhoseFeaturesAreNotAsAnnounced) {
  class OddBackbone : public MeanBackbone {
   public:
    using MeanBackbone::MeanBackbone;
    at::ScalarType cached_dtype() const override { return dtype; }
    at::Tensor encode(const Images&, at::Generator&) override { return result; }
    at::Tensor result;
    at::ScalarType dtype = at::kFloat;
  };
  OddBackbone odd({"top"});
  for (const at::Tensor& result :
       {at::zeros({4, 1, 9}), at::zeros({4, 3}), at::Tensor(), at::zeros({4, 1, 3}, at::kDouble)}) {
    odd.result = result;
    EXPECT_THAT(error_text([&] { cached_embeddings(odd, data_, options()); }),
                AllOf(HasSubstr("backbone 'mean' of plugin 'means': encode() returned features"),
                      HasSubstr("expected Float [4, 1, 3]; found ")));
  }
  odd.dtype = at::kLong;
  EXPECT_THAT(error_text([&] { cached_embeddings(odd, data_, options()); }),
              HasSubstr("cached_dtype() returned a type that holds no features"));
}

TEST_F(EmbeddingCacheTest, NamesTheDatasetWhoseFramesAreNotAsAnnounced) {
  class OddDataset : public TableDataset {
   public:
    using TableDataset::TableDataset;
    at::Tensor frames(std::int64_t, const std::string&, std::int64_t, std::int64_t) const override {
      return at::zeros({1, 2, 3, 3}, at::kByte);
    }
  };
  const OddDataset odd(folder_ / "odd", {3}, {"front", "top"});
  EXPECT_THAT(error_text([&] { cached_embeddings(backbone_, odd, options()); }),
              AllOf(HasSubstr("episode_0.raw: frames() of the dataset"), HasSubstr("OddDataset"),
                    HasSubstr("expected Byte [3, 4, 5, 3]; found Byte [1, 2, 3, 3]")));
}

TEST_F(EmbeddingCacheTest, GivesEpisodesInTheOrderAskedFor) {
  MeanBackbone backbone({"top", "front"});
  const Embeddings embeddings = cached_embeddings(backbone, data_, options());
  const at::Tensor both = embeddings.of_episodes({0, 1});
  EXPECT_EQ(both.const_data_ptr(), embeddings.values.const_data_ptr()) << "a copy was made";
  EXPECT_TRUE(
      at::equal(embeddings.of_episodes({1, 0}), at::cat({both.slice(0, 9), both.slice(0, 0, 9)})));
}

TEST_F(EmbeddingCacheTest, RefusesABackboneThatTrains) {
  backbone_.is_frozen = false;
  try {
    cached_embeddings(backbone_, data_, options());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("only a frozen backbone's features can be cached"));
  }
}

TEST_F(EmbeddingCacheTest, NamesACameraThatTheDataLacks) {
  MeanBackbone wrist({"top", "wrist"});
  try {
    cached_embeddings(wrist, data_, options());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the backbone needs camera 'wrist'"));
    EXPECT_THAT(error.what(), HasSubstr("found front, top"));
  }
}

TEST(CacheFolder, ThatCannotBeMadeSaysWhy) {
  const ScratchFolder folder;
  std::ofstream(folder / "file") << "no folder";
  try {
    const FileLock lock(folder / "file" / "embeddings");
    FAIL() << "locked";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("file: cannot create the folder: Not a directory"));
  }
}

TEST_F(EmbeddingCacheTest, LeavesNothingUnderTheFinalNameWhenTheDiskIsFull) {
  EmbeddingCacheOptions nowhere = options();
  nowhere.folder = "/dev/full/cache";
  EXPECT_THROW(cached_embeddings(backbone_, data_, nowhere), Error);
}

TEST(CacheFolder, LiesBesideTheDataOrInTheUsersCache) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {2}, {});
  EXPECT_EQ(cache_folder(data), fs::absolute(folder / "data") / ".roboimi_cache");
  // A file in its place cannot be written into, whoever we are.
  const TableDataset blocked(folder / "blocked", {2}, {});
  std::ofstream(folder / "blocked/.roboimi_cache") << "in the way";
  ::setenv("XDG_CACHE_HOME", (folder / "home").c_str(), 1);
  EXPECT_EQ(cache_folder(blocked), folder / "home/roboimi");
  ::unsetenv("XDG_CACHE_HOME");
}

}  // namespace
}  // namespace roboimi
