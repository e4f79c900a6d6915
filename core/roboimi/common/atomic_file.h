// A file that is written over a longer time and appears under its name complete or not at all.
//
//   AtomicFile file("table.parquet");
//   file.write(bytes);
//   file.commit();   // without this call, nothing is left
//
// write_file_atomically() (files.h) does the same for files that one function writes. Internal to
// core.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "roboimi/common/files.h"

namespace roboimi {

class AtomicFile {
 public:
  // Creates a temporary file beside `path`, and the folder. Throws Error if that is not possible.
  explicit AtomicFile(std::filesystem::path path);
  // Removes the temporary file unless committed.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Appends bytes. Throws Error that names the final path if the disk is full.
  void write(std::string_view bytes);
  std::int64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

  // Syncs the file and renames it to its final name, replacing an older one. Nothing can be written
  // after it.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty after commit()
  std::unique_ptr<OutputFile> output_;
  std::int64_t size_ = 0;
};

}  // namespace roboimi
