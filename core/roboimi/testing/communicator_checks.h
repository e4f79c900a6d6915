// Conformance checks for communicators (contract/communicator.h). They are collective: run them in
// one process or in every process of a group.
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/communicator.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT CommunicatorSubject : public Subject {
 public:
  // The communicator under test. A process has only one, so this always returns the same.
  virtual std::shared_ptr<Communicator> get() const = 0;
};

ROBOIMI_EXPORT const std::vector<Check<CommunicatorSubject>>& communicator_checks();

}  // namespace roboimi::testing
