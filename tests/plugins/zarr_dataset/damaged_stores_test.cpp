// Copies of golden datasets with one defect each.
#include <gmock/gmock.h>

#include <limits>

#include "plugins/zarr_dataset/zarr_dataset.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log_route.h"
#include "tests/error_text.h"
#include "tests/plugins/zarr_dataset/store_copy.h"
#include "tests/plugins/zarr_dataset/zarr_values.h"

namespace roboimi::zarr_dataset {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPointer[] =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\nsize 1000\n";

TEST(DamagedZarrStores, WithEndlesslyNestedJsonAreRefused) {
  const std::size_t depth = 200'000;
  const Copy copy;
  copy.write("data/img/.zarray", R"({"zarr_format": 2, "shape": )" + std::string(depth, '[') +
                                     std::string(depth, ']') + "}");
  EXPECT_THAT(opening_error(copy.options()), HasSubstr("'shape' of array 'data/img' is not valid"));
}

TEST(DamagedZarrStores, NameAMissingChunk) {
  for (const auto& [array, chunk] : {std::pair{"img", "1.0.0.0"}, std::pair{"action", "1.0"}}) {
    const Copy copy;
    copy.remove(std::string("data/") + array + "/" + chunk);
    EXPECT_THAT(opening_error(copy.options()),
                AllOf(HasSubstr(std::string("chunk ") + chunk + " of array 'data/" + array + "'"),
                      HasSubstr("missing"), HasSubstr("data.missing_chunks=fill")));
    // Episodes without that chunk can be used.
    DatasetOptions options = copy.options();
    options.episodes = {"0"};
    EXPECT_EQ(reading_error(options), "accepted");
    // Those with it are left out on request.
    options.episodes = {};
    options.unreadable = Unreadable::kSkip;
    const ZarrDataset rest(options);
    EXPECT_EQ(rest.num_episodes(), 1);
    const std::string reason = std::string("cannot be read: chunk ") + chunk + " of array";
    EXPECT_THAT(rest.left_out(),
                ElementsAre(HasSubstr("episode 1 " + reason), HasSubstr("episode 2 " + reason)));
    // Filling is a decision of the user.
    options = copy.options();
    options.missing_chunks = MissingChunks::kFill;
    const ZarrDataset filled(options);
    const at::Tensor rows =
        std::string(array) == "img" ? filled.read_all(1, "img") : filled.actions(1);
    const at::Tensor expected =
        std::string(array) == "img" ? zarr_images(1) : -zarr_table(1, 2, 0.0);
    EXPECT_TRUE(at::equal(rows[0], expected[0]));
    EXPECT_EQ(rows.slice(0, 1).count_nonzero().item<std::int64_t>(), 0);
  }
}

TEST(DamagedZarrStores, FillWithTheStoredValue) {
  for (const auto& [value, expected] : {std::pair{"2.5", 2.5}, std::pair{"null", 0.0}}) {
    const Copy copy;
    copy.remove("data/state/0.0");
    copy.edit("data/state", "\"fill_value\": 0.0", std::string("\"fill_value\": ") + value);
    DatasetOptions options = copy.options();
    options.missing_chunks = MissingChunks::kFill;
    EXPECT_TRUE(at::equal(ZarrDataset(options).state(0), at::full({3, 5}, expected, at::kFloat)));
  }
}

// The shape has 10^14 chunks, which cannot be visited one by one.
TEST(DamagedZarrStores, ListTheFilesThatThereAre) {
  const Copy copy;
  copy.edit("data/state", "9,", "1000000000000000,");
  DatasetOptions options = copy.options();
  options.missing_chunks = MissingChunks::kFill;
  const std::vector<std::filesystem::path> files = ZarrDataset(options).files();
  EXPECT_THAT(files, ::testing::Contains(copy / "data/state/2.0"));
  EXPECT_THAT(files, ::testing::Contains(copy / "data/img/0.0.0.0"));
  const Copy unchanged;
  EXPECT_EQ(files.size(), ZarrDataset(unchanged.options()).files().size());
}

TEST(DamagedZarrStores, NameADamagedChunk) {
  const std::string chunk = read_text(golden("pusht.zarr/data/img/1.0.0.0"));
  // Truncated anywhere, or with another byte anywhere in the header.
  std::vector<std::string> damaged = {"", kPointer, std::string(64, '\0'), chunk + "x"};
  for (std::size_t size = 1; size < chunk.size(); size += 37) {
    damaged.push_back(chunk.substr(0, size));
  }
  for (std::size_t i = 0; i < 16; ++i) {
    for (const char flip : {'\x01', '\x40', '\xff'}) {
      damaged.push_back(chunk);
      damaged.back()[i] = static_cast<char>(damaged.back()[i] ^ flip);
    }
  }
  const Copy copy;
  for (const std::string& bytes : damaged) {
    copy.write("data/img/1.0.0.0", bytes);
    // A change that the codec does not notice, such as of the shuffling, may give other values.
    EXPECT_THAT(reading_error(copy.options()), AnyOf("accepted", HasSubstr("data/img/1.0.0.0")));
  }
  copy.write("data/img/1.0.0.0", chunk.substr(0, 40));
  EXPECT_THAT(reading_error(copy.options()),
              AllOf(HasSubstr("the chunk is damaged"), HasSubstr("expected 2304 bytes"),
                    HasSubstr("copy the dataset again")));
}

TEST(DamagedZarrStores, AreNotReadByARuleThatPassesOverADamagedArray) {
  // Without its description, `state` would be passed over, and `n_contacts` be the only vector.
  const Copy copy;
  copy.write("data/state/.zarray", "{");
  EXPECT_THAT(opening_error(copy.options()),
              AllOf(HasSubstr("the description of array 'data/state' is damaged"),
                    HasSubstr("name the arrays to use in data.camera_names and data.state")));
  DatasetOptions options = copy.options();
  options.camera_names = {"img"};
  EXPECT_THAT(opening_error(options), HasSubstr("name the arrays to use in data.state"));
  options.state = {"n_contacts"};
  EXPECT_EQ(reading_error(options), "accepted");
}

TEST(DamagedZarrStores, NameGitLfsPointers) {
  for (const char* key : {"data/img/0.0.0.0", "data/state/.zarray", "meta/episode_ends/0"}) {
    const Copy copy;
    copy.write(key, kPointer);
    EXPECT_THAT(reading_error(copy.options()),
                AllOf(HasSubstr(key), HasSubstr("a Git LFS pointer"), HasSubstr("git lfs pull")));
  }
  const ScratchFolder place;
  write_text_atomically(place / "umi.zarr.zip", kPointer);
  EXPECT_THAT(opening_error({.path = place / "umi.zarr.zip"}), HasSubstr("git lfs pull"));
}

TEST(DamagedZarrStores, RejectChunksThatLie) {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      // Another size than the chunks have.
      {"\"chunks\": [\n        4,\n        6,", {"\"chunks\": [4, 5,", "chunk 0.1.0.0 of array"}},
      {"\"chunks\": [\n        4,", {"\"chunks\": [5,", "when decompressed"}},
      // More memory than a chunk may take.
      {"\"chunks\": [\n        4,", {"\"chunks\": [4000000000,", "at most 2 GiB"}},
      {"\"chunks\": [\n        4,", {"\"chunks\": [9223372036854775807,", "at most 2 GiB"}},
      {"\"chunks\": [\n        4,", {"\"chunks\": [18446744073709551615,", "'chunks' of array"}},
      {"\"chunks\": [\n        4,", {"\"chunks\": [0,", "integers of at least 1"}},
      {"\"chunks\": [\n        4,", {"\"chunks\": [-4,", "integers of at least 1"}},
      {"\"chunks\": [\n        4,", {"\"chunks\": [4.5,", "integers of at least 1"}},
      {"\"chunks\": [\n        4,", {"\"chunks\": [", "one chunk size per dimension"}},
      // Shapes.
      {"\"shape\": [\n        9,", {"\"shape\": [8,", "9 rows, the last of meta/episode_ends"}},
      {"\"shape\": [\n        9,", {"\"shape\": [4611686018427387904,", "fewer elements"}},
      {"\"shape\": [\n        9,", {"\"shape\": [-9,", "integers of at least 0"}},
  };
  for (const auto& [from, change] : cases) {
    const Copy copy;
    copy.edit("data/img", from, change.first);
    DatasetOptions options = copy.options();
    options.camera_names = {"img"};
    EXPECT_THAT(reading_error(options), AllOf(HasSubstr("data/img"), HasSubstr(change.second)))
        << change.first;
  }
}

TEST(DamagedZarrStores, RejectDescriptionsThatAreNotValid) {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {"\"zarr_format\": 2", {"\"zarr_format\": 3", "zarr_format=2"}},
      {"\"dtype\": \"<f4\"", {"\"dtype\": \"<U8\"", "unsupported dtype"}},
      {"\"dtype\": \"<f4\"", {"\"dtype\": [[\"a\", \"<f4\"]]", "unsupported dtype"}},
      {"\"order\": \"C\"", {"\"order\": \"A\"", "unknown order"}},
      {"\"order\": \"C\"", {"\"ordre\": \"C\"", "a member 'order'"}},
      {"\"filters\": null", {"\"filters\": [{\"id\": \"delta\"}]", "the filter delta"}},
      {"\"filters\": null", {"\"filters\": 3", "the filters of array"}},
      {"\"id\": \"blosc\"", {"\"id\": \"lzma\"", "found lzma"}},
      {"\"id\": \"blosc\"", {"\"name\": \"blosc\"", "without an id"}},
      {"\"fill_value\": 0.0", {"\"fill_value\": \"x\"", "fill_value"}},
      {"\"zarr_format\": 2", {"\"zarr_format\": 2, \"dimension_separator\": \"-\"", "'.' or '/'"}},
      {"{", {"[", "is damaged"}},
  };
  for (const auto& [from, change] : cases) {
    const Copy copy;
    copy.edit("data/img", from, change.first);
    EXPECT_THAT(opening_error(copy.options()),
                AllOf(HasSubstr("data/img"), HasSubstr(change.second)))
        << change.first;
    // It does not matter if the config names other arrays.
    const Copy other;
    other.edit("data/keypoint", from, change.first);
    DatasetOptions options = other.options();
    options.camera_names = {"img"};
    options.state = {"state"};
    EXPECT_EQ(reading_error(options), "accepted") << change.first;
  }
}

TEST(DamagedZarrStores, RejectImagesThatAreNotBytes) {
  for (const float value : {0.5F, -1.0F, 256.0F, std::numeric_limits<float>::quiet_NaN()}) {
    const Copy copy;
    copy.write("data/img/.zarray",
               R"({"zarr_format": 2, "shape": [9, 6, 8, 3], "chunks": [9, 6, 8, 3], "order": "C",
                   "dtype": "<f4", "compressor": null, "filters": null, "fill_value": 0})");
    std::vector<float> pixels(std::size_t{9} * 6 * 8 * 3, 255.0F);
    pixels[700] = value;
    copy.write("data/img/0.0.0.0",
               {reinterpret_cast<const char*>(pixels.data()), pixels.size() * sizeof(float)});
    EXPECT_THAT(reading_error(copy.options()),
                AllOf(HasSubstr("does not hold images"), HasSubstr("whole numbers from 0 to 255"),
                      HasSubstr("data/img/0.0.0.0"), HasSubstr("astype('uint8')")))
        << value;
    // The first frame is checked when the dataset is opened.
    EXPECT_EQ(error_or_accepted([&] { const ZarrDataset dataset(copy.options()); }), "accepted");
    pixels[70] = value;
    copy.write("data/img/0.0.0.0",
               {reinterpret_cast<const char*>(pixels.data()), pixels.size() * sizeof(float)});
    EXPECT_THAT(opening_error(copy.options()), HasSubstr("does not hold images"));
  }
}

TEST(DamagedZarrStores, RejectEpisodeEndsThatDoNotFit) {
  const auto error_with = [](std::initializer_list<std::int64_t> ends) {
    const Copy copy;
    const std::vector<std::int64_t> values = ends;
    copy.write("meta/episode_ends/0", {reinterpret_cast<const char*>(values.data()),
                                       values.size() * sizeof(std::int64_t)});
    return opening_error(copy.options());
  };
  EXPECT_THAT(error_with({3, 3, 9}), AllOf(HasSubstr("episode 1 has no rows"), HasSubstr("3")));
  EXPECT_THAT(error_with({3, 2, 9}), HasSubstr("episode 1 has no rows"));
  EXPECT_THAT(error_with({0, 2, 9}), HasSubstr("episode 0 has no rows"));
  EXPECT_THAT(error_with({-1, 2, 9}), HasSubstr("episode 0 has no rows"));
  EXPECT_THAT(error_with({3, 7, 10}), AllOf(HasSubstr("too few rows"),
                                            HasSubstr("10 rows, the last of meta/episode_ends")));
  EXPECT_THAT(error_with({3, 7}), HasSubstr("meta/episode_ends/0"));

  // Rows after the last episode are reported.
  std::string log;
  set_log_handler([&](LogLevel, std::string_view line) { (log += line) += '\n'; });
  const Copy copy;
  const std::int64_t ends[] = {3, 7, 8};
  copy.write("meta/episode_ends/0", {reinterpret_cast<const char*>(ends), sizeof(ends)});
  EXPECT_EQ(ZarrDataset(copy.options()).episode(2).length, 1);
  set_log_handler({});
  EXPECT_THAT(log, HasSubstr("array 'data/img' has 9 rows, but the last episode ends at row 8"));
}

TEST(DamagedZarrStores, RejectOtherLayoutsByName) {
  const ScratchFolder place;
  const auto error_with = [&](const std::string& key) {
    const fs::path folder = place / fs::path(key).filename().string();
    write_text_atomically(folder / key, "{}");
    return opening_error({.path = folder});
  };
  EXPECT_THAT(error_with("meta/info.json"), HasSubstr("data=lerobot data.path="));
  EXPECT_THAT(error_with("episode_0.hdf5"), HasSubstr("data=hdf5 data.path="));
  EXPECT_THAT(error_with("zarr.json"), HasSubstr("zarr_format=2"));
  EXPECT_THAT(error_with("pusht.zarr/.zgroup"), HasSubstr("one folder below"));
  EXPECT_THAT(error_with("notes.txt"),
              AllOf(HasSubstr("not a ReplayBuffer"), HasSubstr("found notes.txt")));
  EXPECT_THAT(opening_error({.path = place / "none"}), HasSubstr("no such folder or file"));
  write_text_atomically(place / "x.zarr.zip", "text");
  EXPECT_THAT(opening_error({.path = place / "x.zarr.zip"}), HasSubstr("not a zip archive"));
}

TEST(DamagedZarrStores, RejectDamagedArchives) {
  const std::string bytes = read_text(golden("umi.zarr.zip"));
  const ScratchFolder place;
  write_text_atomically(place / "cut.zarr.zip", bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(opening_error({.path = place / "cut.zarr.zip"}),
              AllOf(HasSubstr("cut.zarr.zip"), HasSubstr("damaged zip archive")));
  // A changed byte of a chunk does not pass the archive's CRC.
  std::string changed = bytes;
  const std::size_t chunk = bytes.find("data/camera1_rgb/0.0.0.0");
  ASSERT_NE(chunk, std::string::npos);
  changed[chunk + 60] = static_cast<char>(changed[chunk + 60] ^ 1);
  write_text_atomically(place / "changed.zarr.zip", changed);
  EXPECT_THAT(reading_error({.path = place / "changed.zarr.zip", .camera_names = {"camera1_rgb"}}),
              AllOf(HasSubstr("changed.zarr.zip"), HasSubstr("data/camera1_rgb/0.0.0.0")));
}

}  // namespace
}  // namespace roboimi::zarr_dataset
