// Conformance checks for episode writers (contract/episode_writer.h).
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/episode_writer.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT EpisodeWriterSubject : public Subject {
 public:
  // Creates another writer with the options under test.
  virtual std::shared_ptr<EpisodeWriter> make() const = 0;
  // An episode that the writer can store. Default: 6 rows, cameras front and top of 16 x 24 pixels,
  // state and velocity of dimension 4, env_state 2, actions 3, one label of dimension 3. The images
  // are smooth: if a format compresses them, they may differ by 4 of 255 on average when read back.
  virtual EpisodeRecord record() const;
  // Opens the episodes in `folder`, which a writer placed there and which all have the streams of
  // `record`, with the dataset that reads the format. It must load every stream except the
  // velocity. nullptr (the default): no such dataset is known, and the checks of the stored
  // contents are skipped.
  virtual std::shared_ptr<Dataset> read_back(const std::filesystem::path& folder,
                                             const EpisodeRecord& record) const;
};

ROBOIMI_EXPORT const std::vector<Check<EpisodeWriterSubject>>& episode_writer_checks();

}  // namespace roboimi::testing
