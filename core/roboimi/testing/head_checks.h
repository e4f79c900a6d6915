// What every Head keeps to (contract/head.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/head.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT HeadSubject : public Subject {
 public:
  // One more head with the options under test; names and shapes of its weights are always the same.
  virtual std::shared_ptr<Head> make(const HeadSpec& spec) const = 0;
  // The default: 3 actions, a horizon of 8, 2 observations of 5 numbers.
  virtual HeadSpec spec() const;
  // Steps of Adam (learning rate 2e-3) at the most, in which it is to halve its loss on one batch.
  virtual int overfit_steps() const { return 1000; }
};

ROBOIMI_EXPORT const std::vector<Check<HeadSubject>>& head_checks();

}  // namespace roboimi::testing
