// A writer of episodes in the layout that Hdf5Dataset (and ACT) reads.
//
//   Hdf5EpisodeWriter writer({.compress = Compression::kJpeg, .quality = 90});
//   writer.write(writer.file_of("data", 0), record);
//
// The same record gives the same bytes. The file is built in memory, then written and renamed. This
// takes the size of the file in memory, in addition to the record.
#pragma once

#include <memory>

#include "roboimi/config/schema.h"
#include "roboimi/contract/episode_writer.h"

namespace roboimi::hdf5_dataset {

enum class Compression { kNone, kJpeg };

struct WriterOptions {
  Compression compress = Compression::kNone;
  int quality = 90;  // JPEG quality, 1..100
};

class Hdf5EpisodeWriter : public EpisodeWriter {
 public:
  explicit Hdf5EpisodeWriter(const WriterOptions& options) : options_(options) {}

  std::filesystem::path file_of(const std::filesystem::path& folder,
                                std::int64_t index) const override;
  void write(const std::filesystem::path& file, const EpisodeRecord& record) const override;
  EpisodeHeader read_header(const std::filesystem::path& file) const override;

 private:
  WriterOptions options_;
};

Schema writer_schema();
std::shared_ptr<EpisodeWriter> create_writer(const Options& options);

}  // namespace roboimi::hdf5_dataset
