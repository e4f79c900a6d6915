// A per-user cache of compiled GPU kernels on disk, because compiling takes several seconds.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace roboimi::attnres::gpu {

class KernelCache {
 public:
  // An empty path disables the cache.
  explicit KernelCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // $XDG_CACHE_HOME/roboimi/kernels or ~/.cache/roboimi/kernels; empty if neither is set.
  static std::filesystem::path default_folder();

  // Returns the cached kernels for the key. Since they will run on the GPU, returns nullopt if the
  // file is damaged, or if it or the folder is a link or writable by another user.
  std::optional<std::string> find(const std::string& key) const;
  // Stores kernels; failures to write are ignored.
  void keep(const std::string& key, std::string_view bytes) const;

 private:
  std::filesystem::path file_of(const std::string& key) const { return folder_ / (key + ".cubin"); }

  std::filesystem::path folder_;
};

}  // namespace roboimi::attnres::gpu
