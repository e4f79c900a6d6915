// Conformance checks for episode writers (contract/episode_writer.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/episode_writer.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT EpisodeWriterSubject : public Subject {
 public:
  // Creates another writer with the options under test.
  virtual std::shared_ptr<EpisodeWriter> make() const = 0;
  // An episode that the writer can store. Default: 6 rows, cameras front and top of 16 x 24 pixels,
  // state and velocity of dimension 4, env_state 2, actions 3, one label of dimension 3.
  virtual EpisodeRecord record() const;
};

ROBOIMI_EXPORT const std::vector<Check<EpisodeWriterSubject>>& episode_writer_checks();

}  // namespace roboimi::testing
