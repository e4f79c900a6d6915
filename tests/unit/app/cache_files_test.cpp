// Tests of finding and removing cache files.
#include "app/cache_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "roboimi/data/cache_folder.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

const std::string kCacheKey = "0123456789abcdef0123456789abcdef";

class CacheFiles : public ::testing::Test {
 protected:
  fs::path file(const fs::path& name, std::size_t bytes = 5000) const {
    const fs::path path = folder_ / name.string();
    fs::create_directories(path.parent_path());
    std::ofstream(path) << std::string(bytes, 'x');
    return path;
  }
  static std::vector<std::string> described(const fs::path& folder) {
    std::vector<std::string> lines;
    for (const CacheFile& found : cache_files_in(folder)) {
      lines.push_back(found.file.filename().string().substr(0, 12) + " " + found.kind +
                      (found.unfinished ? " unfinished" : ""));
    }
    return lines;
  }

  ScratchFolder folder_;
};

TEST_F(CacheFiles, AreKnownByTheirNames) {
  file("frames-" + kCacheKey + ".bin");
  file("embeddings-" + kCacheKey + ".safetensors");
  file("embeddings-" + kCacheKey + ".partial");
  file(".frames-" + kCacheKey + ".bin.tmp4711-1a2b3c4d-9f3ac2d1");
  // None of these is one.
  file("frames-" + kCacheKey + ".bin.lock");
  file("frames-short.bin");
  file("frames-" + kCacheKey + "0.bin");
  file("embeddings.safetensors");
  file("kernels/frames-" + kCacheKey + ".bin");
  fs::create_symlink("/etc/passwd", folder_ / ("frames-f" + kCacheKey.substr(1) + ".bin"));
  EXPECT_THAT(described(folder_),
              ElementsAre(".frames-0123 frames unfinished", "embeddings-0 embeddings unfinished",
                          "embeddings-0 embeddings", "frames-01234 frames"));
}

TEST_F(CacheFiles, AreFoundInTheFoldersOfData) {
  file("data/chunk-000/.roboimi_cache/frames-" + kCacheKey + ".bin");
  file("data/lift/.roboimi_cache/frames-" + kCacheKey + ".bin");
  const fs::path data = folder_ / "data";
  EXPECT_THAT(cache_folders_of(data),
              ElementsAre(data / "chunk-000" / ".roboimi_cache", data / "lift" / ".roboimi_cache"));
  EXPECT_THAT(cache_folders_of(file("data/lift/image.hdf5")),
              ElementsAre(data / "lift" / ".roboimi_cache"));
  // Caches of a zarr store are beside it.
  file("zarr/pusht.zarr/.zgroup");
  file("zarr/.roboimi_cache/frames-" + kCacheKey + ".bin");
  for (const char* store : {"zarr/pusht.zarr", "zarr/pusht.zarr/"}) {
    EXPECT_THAT(cache_folders_of(folder_ / store),
                ElementsAre(folder_ / "zarr" / ".roboimi_cache"));
  }
  // The cache folder itself.
  EXPECT_THAT(cache_folders_of(data / "lift" / ".roboimi_cache"),
              ElementsAre(data / "lift" / ".roboimi_cache"));
  EXPECT_THAT(error_text([&] { cache_folders_of(folder_ / "nowhere"); }),
              HasSubstr("there is no such folder"));
}

TEST_F(CacheFiles, ThatAProcessIsMakingAreKept) {
  const fs::path path = file("embeddings-" + kCacheKey + ".partial");
  const CacheFile found = cache_files_in(folder_).at(0);
  {
    const ProcessLock lock =
        lock_cached_file(folder_ / ("embeddings-" + kCacheKey + ".safetensors"));
    EXPECT_EQ(remove_cache_file(found), Removal::kInUse);
    EXPECT_TRUE(fs::exists(path));
  }
  EXPECT_EQ(remove_cache_file(found), Removal::kRemoved);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(CacheFiles, HaveTheAgeOfTheirLastUse) {
  const fs::path path = file("frames-" + kCacheKey + ".bin");
  const auto now = std::chrono::system_clock::now();
  const auto set_times = [&](int read_days, int changed_days) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    const struct timespec times[2] = {{seconds - read_days * 86400, 0},
                                      {seconds - changed_days * 86400, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  };
  const auto days = [&] {
    return std::chrono::duration_cast<std::chrono::hours>(now -
                                                          cache_files_in(folder_).at(0).last_used)
               .count() /
           24;
  };
  set_times(3, 40);
  EXPECT_EQ(days(), 3);
  set_times(40, 5);
  EXPECT_EQ(days(), 5);
}

TEST_F(CacheFiles, AgesAndSizesAreReadAndShown) {
  EXPECT_EQ(parse_age("30d"), std::chrono::hours(24 * 30));
  EXPECT_EQ(parse_age("2w"), std::chrono::hours(24 * 14));
  EXPECT_EQ(parse_age("12h"), std::chrono::hours(12));
  EXPECT_EQ(parse_age("45m"), std::chrono::minutes(45));
  for (const char* wrong : {"", "30", "d", "-1d", "1.5d", "30 d", "30days", "99999999999999999d"}) {
    EXPECT_THAT(error_text([&] { parse_age(wrong); }), HasSubstr("such as 30d")) << wrong;
  }
  EXPECT_EQ(age_text(std::chrono::hours(72)), "3 days");
  EXPECT_EQ(age_text(std::chrono::hours(47)), "47 hours");
  EXPECT_EQ(age_text(std::chrono::seconds(60)), "1 minute");
  EXPECT_EQ(size_text(999), "999 bytes");
  EXPECT_EQ(size_text(340'000), "340.0 kB");
  EXPECT_EQ(size_text(1'500'000'000), "1.5 GB");
}

}  // namespace
}  // namespace roboimi::app
