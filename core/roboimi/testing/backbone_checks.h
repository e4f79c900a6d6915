// What every Backbone keeps to (contract/backbone.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

// How to make the backbone under test, and what it may say of itself.
class ROBOIMI_EXPORT BackboneSubject : public Subject {
 public:
  // One more backbone with the options under test. Called often; weights may differ from call to
  // call, names and shapes may not.
  virtual std::shared_ptr<Backbone> make(const ObservationSpec& spec) const = 0;
  // What it is made for. The default: cameras r_vis, top and front, 72 x 96 pixels.
  virtual ObservationSpec spec() const;
  // How far features may move with the frames beside them in a batch, relative to the largest.
  virtual double tolerance() const { return 1e-5; }
  virtual double bf16_tolerance() const { return 2e-2; }
};

ROBOIMI_EXPORT const std::vector<Check<BackboneSubject>>& backbone_checks();

}  // namespace roboimi::testing
