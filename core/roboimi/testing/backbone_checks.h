// Conformance checks for backbones (contract/backbone.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

// Creates the backbone under test and sets the tolerances of the checks.
class ROBOIMI_EXPORT BackboneSubject : public Subject {
 public:
  // Creates another backbone with the options under test. Called often; the values of the weights
  // may differ between calls, but their names and shapes may not.
  virtual std::shared_ptr<Backbone> make(const ObservationSpec& spec) const = 0;
  // The observations. Default: cameras r_vis, top and front of 72 x 96 pixels, the depth of each
  // (r_vis_depth, top_depth, front_depth), a text "task" and a state of 16 values.
  virtual ObservationSpec spec() const;
  // How much features may depend on the other frames in a batch, relative to the largest feature.
  virtual double tolerance() const { return 1e-5; }
  virtual double bf16_tolerance() const { return 2e-2; }
};

ROBOIMI_EXPORT const std::vector<Check<BackboneSubject>>& backbone_checks();

}  // namespace roboimi::testing
