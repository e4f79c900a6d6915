// Compiled kernels, kept by the user from process to process: compiling takes some seconds.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace roboimi::attnres::gpu {

class KernelCache {
 public:
  // An empty folder keeps nothing.
  explicit KernelCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // $XDG_CACHE_HOME/roboimi/kernels, or ~/.cache/roboimi/kernels; empty where neither is known.
  static std::filesystem::path default_folder();

  // What was kept under the key. Nothing where the file, or the folder, is a link or could have
  // been written by another user: it would run on the GPU.
  std::optional<std::string> find(const std::string& key) const;
  // What cannot be written is not kept.
  void keep(const std::string& key, std::string_view bytes) const;

 private:
  std::filesystem::path file_of(const std::string& key) const { return folder_ / (key + ".cubin"); }

  std::filesystem::path folder_;
};

}  // namespace roboimi::attnres::gpu
