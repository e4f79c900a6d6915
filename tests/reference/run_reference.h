// Runs a script of tests/reference with the tree's Python, and fails the test when it fails.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace roboimi {

// A folder of this process, removed at the end.
class ReferenceFolder {
 public:
  explicit ReferenceFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / fmt::format("{}_{}", name, getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~ReferenceFolder() { std::filesystem::remove_all(path_); }
  ReferenceFolder(const ReferenceFolder&) = delete;
  ReferenceFolder& operator=(const ReferenceFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void run_reference(const std::string& script, const std::string& arguments) {
  const std::string command = fmt::format("{0}/.venv/bin/python {0}/tests/reference/{1} {2}",
                                          ROBOIMI_SOURCE_DIR, script, arguments);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace roboimi
