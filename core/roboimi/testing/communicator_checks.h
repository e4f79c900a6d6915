// What every Communicator keeps to (contract/communicator.h), as far as one process can show it:
// the checks are collective, so they hold in each process of a group as well.
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/communicator.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT CommunicatorSubject : public Subject {
 public:
  // The communicator under test. A process has one, so that this gives the same one every time.
  virtual std::shared_ptr<Communicator> get() const = 0;
};

ROBOIMI_EXPORT const std::vector<Check<CommunicatorSubject>>& communicator_checks();

}  // namespace roboimi::testing
