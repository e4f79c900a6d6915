// Support for tests that run a Python script of tests/reference. If the script fails, the test
// fails.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace roboimi {

// A temporary folder of this process, removed by the destructor.
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

// Runs a script with the Python of the tree's .venv.
inline void run_reference(const std::string& script, const std::string& arguments) {
  const std::string command = fmt::format("{0}/.venv/bin/python {0}/tests/reference/{1} {2}",
                                          ROBOIMI_SOURCE_DIR, script, arguments);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

// The Python of .venv-references, which holds packages that only some tests compare with. It exists
// after `scripts/test.sh --references`.
inline std::filesystem::path references_python() {
  return std::filesystem::path(ROBOIMI_SOURCE_DIR) / ".venv-references/bin/python";
}

// run_reference() with that Python.
inline void run_with_references(const std::string& script, const std::string& arguments) {
  const std::string command =
      fmt::format("{} {}/tests/reference/{} {}", references_python().string(), ROBOIMI_SOURCE_DIR,
                  script, arguments);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace roboimi
