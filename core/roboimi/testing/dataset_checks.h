// What every Dataset keeps to (contract/dataset.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT DatasetSubject : public Subject {
 public:
  // One more dataset on the same files, which must hold an episode of two rows or more.
  virtual std::shared_ptr<Dataset> make() const = 0;
};

ROBOIMI_EXPORT const std::vector<Check<DatasetSubject>>& dataset_checks();

}  // namespace roboimi::testing
