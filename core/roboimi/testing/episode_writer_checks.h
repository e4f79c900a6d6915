// What every EpisodeWriter keeps to (contract/episode_writer.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/episode_writer.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT EpisodeWriterSubject : public Subject {
 public:
  // One more writer with the options under test.
  virtual std::shared_ptr<EpisodeWriter> make() const = 0;
  // An episode that it can hold. The default: 6 rows, cameras front and top of 16 x 24 pixels, a
  // state and a velocity of 4 numbers, an env_state of 2, 3 actions, a label of 3.
  virtual EpisodeRecord record() const;
};

ROBOIMI_EXPORT const std::vector<Check<EpisodeWriterSubject>>& episode_writer_checks();

}  // namespace roboimi::testing
