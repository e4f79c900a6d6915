// Tests of the embedding cache's key and of the inputs that it refuses.
#include <gmock/gmock.h>

#include <fstream>

#include "roboimi/common/error.h"
#include "roboimi/io/safetensors.h"
#include "tests/error_text.h"
#include "tests/unit/data/embedding_cache_fixture.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(EmbeddingCacheTest, IsRebuiltWhenAnythingChangesThatTheFeaturesDependOn) {
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

TEST_F(EmbeddingCacheTest, IdentifiesFilesByTheirContentsIfVerifyIsSet) {
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

TEST_F(EmbeddingCacheTest, UsesTheDtypeThatTheBackboneChooses) {
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

TEST_F(EmbeddingCacheTest, IsSharedByAgentsIfTheBackboneHasACacheIdentity) {
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
      files.push_back(side);  // listed twice, like a file shared by several episodes
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

TEST_F(EmbeddingCacheTest, RefusesAFileOfAnotherShape) {
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
                    HasSubstr("delete it; it will be rebuilt")));
  EXPECT_THAT(error_with("embeddings", at::zeros({15, 2, 6})), HasSubstr("found Float [15, 2, 6]"));
  EXPECT_THAT(error_with("embeddings", at::zeros({15, 1, 6}, at::kHalf)),
              HasSubstr("found Half [15, 1, 6]"));
  EXPECT_THAT(error_with("frame", at::zeros({14}, at::kLong)), HasSubstr("frame Long [15]"));
}

TEST_F(EmbeddingCacheTest, NamesThePluginWhoseFeaturesHaveTheWrongShape) {
  class OddBackbone : public MeanBackbone {
   public:
    using MeanBackbone::MeanBackbone;
    at::ScalarType cached_dtype() const override { return dtype; }
    at::Tensor encode(const Observation&, at::Generator&) override { return result; }
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
              HasSubstr("cached_dtype() is not a floating-point dtype"));
}

TEST_F(EmbeddingCacheTest, NamesTheDatasetWhoseFramesDoNotMatchItsSpec) {
  class OddDataset : public TableDataset {
   public:
    using TableDataset::TableDataset;
    at::Tensor read(std::int64_t, const std::string&, std::int64_t, std::int64_t) const override {
      return at::zeros({1, 2, 3, 3}, at::kByte);
    }
  };
  const OddDataset odd(folder_ / "odd", {3}, {"front", "top"});
  EXPECT_THAT(error_text([&] { cached_embeddings(backbone_, odd, options()); }),
              AllOf(HasSubstr("episode_0.raw: read('top') of the dataset"), HasSubstr("OddDataset"),
                    HasSubstr("expected Byte [3, 4, 5, 3]; found Byte [1, 2, 3, 3]")));
}

TEST_F(EmbeddingCacheTest, RefusesABackboneThatTrains) {
  backbone_.is_frozen = false;
  try {
    cached_embeddings(backbone_, data_, options());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("only features of a frozen backbone can be cached"));
  }
}

TEST_F(EmbeddingCacheTest, NamesAMissingCamera) {
  MeanBackbone wrist({"top", "wrist"});
  try {
    cached_embeddings(wrist, data_, options());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the backbone needs camera 'wrist'"));
    EXPECT_THAT(error.what(), HasSubstr("found front, top"));
  }
}

}  // namespace
}  // namespace roboimi
