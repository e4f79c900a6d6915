// A zarr store: entries by name ("data/img/.zarray", "data/img/0.0.0.0"), in a folder or a zip
// archive.
//
//   const std::unique_ptr<Store> store = open_store("pusht.zarr.zip");
//   auto chunk = store->read("data/action/0.0", 1 << 20);   // empty if there is no such entry
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace roboimi::zarr_dataset {

using Bytes = std::vector<std::uint8_t>;

// Const members are safe to call from several threads at once.
class Store {
 public:
  explicit Store(std::filesystem::path path) : path_(std::move(path)) {}
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The folder or the archive.
  const std::filesystem::path& path() const { return path_; }

  virtual bool has(const std::string& key) const = 0;
  // The bytes of an entry, or nothing if there is none. Throws Error for an entry of more than
  // `max_size` bytes, one that cannot be read, and a Git LFS pointer.
  virtual std::optional<Bytes> read(const std::string& key, std::uint64_t max_size) const = 0;
  // The names directly below a group ("" is the root), sorted.
  virtual std::vector<std::string> children(const std::string& group) const = 0;
  // The file that holds an entry.
  virtual std::filesystem::path file_of(const std::string& key) const = 0;
  // Where an entry is, for errors: a file, or "pusht.zarr.zip: data/img/.zarray".
  virtual std::string where(const std::string& key) const = 0;

 private:
  std::filesystem::path path_;
};

// Throws Error if there is neither a folder nor a zip archive, or if the archive is damaged.
std::unique_ptr<Store> open_store(const std::filesystem::path& path);

}  // namespace roboimi::zarr_dataset
