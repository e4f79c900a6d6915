// A folder for tests of suites, with a script in place of roboimi.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "roboimi/common/files.h"

namespace roboimi {

class SuiteFolder {
 public:
  SuiteFolder()
      : folder_(std::filesystem::temp_directory_path() /
                ("roboimi suite $(x) " + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~SuiteFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  SuiteFolder(const SuiteFolder&) = delete;
  SuiteFolder& operator=(const SuiteFolder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    write_text_atomically(folder_ / name, text);
    return folder_ / name;
  }

  // Writes an executable shell script.
  std::string program(const std::string& script) const {
    const auto file = write("program", "#!/bin/sh\n" + script);
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return file.string();
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace roboimi
