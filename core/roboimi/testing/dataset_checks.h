// Conformance checks for datasets (contract/dataset.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT DatasetSubject : public Subject {
 public:
  // Opens another dataset on the same files. They must contain an episode with at least two rows.
  virtual std::shared_ptr<Dataset> make() const = 0;
};

ROBOIMI_EXPORT const std::vector<Check<DatasetSubject>>& dataset_checks();

}  // namespace roboimi::testing
