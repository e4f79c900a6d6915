#include "plugins/zarr_dataset/store.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/lfs_pointer.h"
#include "roboimi/io/zip_archive.h"

namespace roboimi::zarr_dataset {
namespace {

namespace fs = std::filesystem;

constexpr char kExpectedStore[] = "a folder such as pusht.zarr, or a .zarr.zip file";

void check_size(std::uint64_t size, std::uint64_t max_size, const std::string& where) {
  if (size <= max_size) return;
  throw Error({.what = "the entry is too large",
               .where = where,
               .expected = "at most " + std::to_string(max_size) + " bytes",
               .found = std::to_string(size) + " bytes",
               .next = "the dataset may be damaged: copy it again"});
}

void refuse_pointer(const Bytes& bytes, const std::string& where) {
  if (bytes.size() < kLfsPointerStart.size() ||
      std::memcmp(bytes.data(), kLfsPointerStart.data(), kLfsPointerStart.size()) != 0) {
    return;
  }
  throw Error({.what = "the entry is not there",
               .where = where,
               .found = kLfsPointerFound,
               .next = kLfsPointerNext});
}

class FolderStore : public Store {
 public:
  using Store::Store;

  bool has(const std::string& key) const override {
    std::error_code ignored;
    return fs::is_regular_file(path() / key, ignored);
  }

  std::optional<Bytes> read(const std::string& key, std::uint64_t max_size) const override {
    const fs::path file = path() / key;
    std::error_code failed;
    if (!fs::is_regular_file(file, failed)) return std::nullopt;
    const std::uint64_t size = fs::file_size(file, failed);
    if (!failed) check_size(size, max_size, file.string());
    Bytes bytes(failed ? 0 : size);
    std::ifstream in(file, std::ios::binary);
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (failed || !in) {
      throw Error({.what = "cannot read the file",
                   .where = file.string(),
                   .next = "check its permissions and the disk"});
    }
    refuse_pointer(bytes, file.string());
    return bytes;
  }

  std::vector<std::string> children(const std::string& group) const override {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path() / group, ignored)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  fs::path file_of(const std::string& key) const override { return path() / key; }
  std::string where(const std::string& key) const override { return (path() / key).string(); }
};

class ZipStore : public Store {
 public:
  explicit ZipStore(const fs::path& path)
      : Store(path), archive_(path, RepeatedNames::kLastCounts) {
    // A zipped folder has its own name, perhaps with those above it, in front of every entry.
    constexpr std::string_view kMarker = "meta/episode_ends/.zarray";
    bool is_found = false;
    for (const ZipEntry& entry : archive_.entries()) {
      if (!entry.name.ends_with(kMarker)) continue;
      const std::string prefix = entry.name.substr(0, entry.name.size() - kMarker.size());
      if (!prefix.empty() && !prefix.ends_with('/')) continue;
      if (!is_found || prefix.size() < prefix_.size()) prefix_ = prefix;
      is_found = true;
    }
  }

  bool has(const std::string& key) const override {
    return archive_.find(prefix_ + key) != nullptr;
  }

  std::optional<Bytes> read(const std::string& key, std::uint64_t max_size) const override {
    const ZipEntry* const entry = archive_.find(prefix_ + key);
    if (entry == nullptr) return std::nullopt;
    check_size(entry->full_size, max_size, where(key));
    Bytes bytes(entry->full_size);
    {
      // libzip's handle must not be used by two threads at once.
      const std::lock_guard lock(mutex_);
      const at::Tensor read = archive_.read(entry->name, max_size);
      if (!bytes.empty()) std::memcpy(bytes.data(), read.const_data_ptr(), bytes.size());
    }
    refuse_pointer(bytes, where(key));
    return bytes;
  }

  std::vector<std::string> children(const std::string& group) const override {
    const std::string start = prefix_ + (group.empty() ? "" : group + "/");
    std::set<std::string> names;
    for (const ZipEntry& entry : archive_.entries()) {
      if (!entry.name.starts_with(start) || entry.name.size() == start.size()) continue;
      const std::size_t end = entry.name.find('/', start.size());
      names.insert(entry.name.substr(start.size(), end - start.size()));
    }
    return {names.begin(), names.end()};
  }

  fs::path file_of(const std::string&) const override { return path(); }
  std::string where(const std::string& key) const override {
    return path().string() + ": " + prefix_ + key;
  }

 private:
  ZipArchive archive_;
  std::string prefix_;  // "" or "FOLDER/.../"
  mutable std::mutex mutex_;
};

}  // namespace

std::unique_ptr<Store> open_store(const fs::path& path) {
  if (fs::is_directory(path)) return std::make_unique<FolderStore>(path);
  if (!fs::exists(path)) {
    throw Error({.what = "no such folder or file",
                 .where = path.string(),
                 .expected = kExpectedStore,
                 .next = "set data.path to the dataset"});
  }
  refuse_lfs_pointer(path, "not a zarr dataset", kExpectedStore);
  std::string start(2, '\0');
  std::ifstream(path, std::ios::binary).read(start.data(), 2);
  if (start != "PK") {
    throw Error({.what = "not a zarr dataset",
                 .where = path.string(),
                 .expected = kExpectedStore,
                 .found = "a file that is not a zip archive",
                 .next = "read HDF5 files with data=robomimic or data=hdf5"});
  }
  return std::make_unique<ZipStore>(path);
}

}  // namespace roboimi::zarr_dataset
