#include "modules/attnres/gpu/kernel_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "roboimi/common/files.h"

namespace roboimi::attnres::gpu {
namespace {

namespace fs = std::filesystem;
using std::nullopt;

class KernelCacheTest : public testing::Test {
 protected:
  KernelCacheTest() { fs::remove_all(root_); }
  ~KernelCacheTest() override { fs::remove_all(root_); }

  const fs::path root_ = fs::path(testing::TempDir()) / "roboimi_kernel_cache_test";
  const fs::path folder_ = root_ / "kernels";
  const KernelCache cache_{folder_};
  const std::string bytes_{
      "\x7f"
      "ELF\0 and more",
      14};
};

TEST_F(KernelCacheTest, KeepsBytesUnderAKey) {
  EXPECT_EQ(cache_.find("key"), nullopt);
  cache_.keep("key", bytes_);
  EXPECT_EQ(cache_.find("key"), bytes_);
  EXPECT_EQ(cache_.find("other"), nullopt);
}

TEST_F(KernelCacheTest, TrustsNothingThatAnotherUserCouldHaveWritten) {
  cache_.keep("key", bytes_);
  const fs::path file = folder_ / "key.cubin";
  fs::permissions(file, fs::perms::group_write, fs::perm_options::add);
  EXPECT_EQ(cache_.find("key"), nullopt);
  fs::permissions(file, fs::perms::group_write, fs::perm_options::remove);
  fs::permissions(folder_, fs::perms::others_write, fs::perm_options::add);
  EXPECT_EQ(cache_.find("key"), nullopt);
  fs::permissions(folder_, fs::perms::others_write, fs::perm_options::remove);
  EXPECT_EQ(cache_.find("key"), bytes_);
  fs::rename(file, root_ / "elsewhere");
  fs::create_symlink(root_ / "elsewhere", file);
  EXPECT_EQ(cache_.find("key"), nullopt);
}

TEST_F(KernelCacheTest, RefusesADamagedFile) {
  cache_.keep("key", bytes_);
  const fs::path file = folder_ / "key.cubin";
  const std::string whole = read_text(file);
  for (const std::size_t size : {whole.size() - 1, bytes_.size(), std::size_t{0}}) {
    fs::resize_file(file, size);
    EXPECT_EQ(cache_.find("key"), nullopt) << size;
  }
  std::ofstream(file, std::ios::binary) << whole.substr(0, whole.size() - 1) << 'X';
  EXPECT_EQ(cache_.find("key"), nullopt);
  cache_.keep("key", bytes_);
  EXPECT_EQ(cache_.find("key"), bytes_);
}

TEST_F(KernelCacheTest, DoesWithoutAFolder) {
  const KernelCache none{fs::path()};
  none.keep("key", bytes_);
  EXPECT_EQ(none.find("key"), nullopt);
  fs::create_directories(root_);
  fs::create_symlink("/proc/no_such_folder", folder_);
  cache_.keep("key", bytes_);
  EXPECT_EQ(cache_.find("key"), nullopt);
}

TEST_F(KernelCacheTest, LiesInTheUsersCache) {
  ::setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(KernelCache::default_folder(), "/cache/roboimi/kernels");
  ::setenv("XDG_CACHE_HOME", "", 1);
  ::setenv("HOME", "/home/user", 1);
  EXPECT_EQ(KernelCache::default_folder(), "/home/user/.cache/roboimi/kernels");
  ::unsetenv("XDG_CACHE_HOME");
}

}  // namespace
}  // namespace roboimi::attnres::gpu
