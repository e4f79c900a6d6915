// Conformance checks for heads (contract/head.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/head.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT HeadSubject : public Subject {
 public:
  // Creates another head with the options under test. Names and shapes of its weights must always
  // be the same.
  virtual std::shared_ptr<Head> make(const HeadSpec& spec) const = 0;
  // Default: action dimension 3, prediction horizon 8, 2 observations of dimension 5, tokens of
  // dimension 6. If make() throws Error, the checks use a spec without tokens instead, or with
  // tokens if this one has none.
  virtual HeadSpec spec() const;
  // The number of Adam steps (learning rate 2e-3) within which the head must halve its loss on one
  // batch.
  virtual int overfit_steps() const { return 1000; }
};

ROBOIMI_EXPORT const std::vector<Check<HeadSubject>>& head_checks();

}  // namespace roboimi::testing
