// A backbone under test and its calls, shared by the backbone checks. Internal; not installed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "roboimi/testing/backbone_checks.h"

namespace roboimi::testing {

// A backbone in training mode, created for `spec` (default: subject.spec()). `seed`: seed of its
// weights.
std::shared_ptr<Backbone> make_backbone(const BackboneSubject& subject);
std::shared_ptr<Backbone> make_backbone(const BackboneSubject& subject, const ObservationSpec& spec,
                                        std::uint64_t seed = 1);
// The same in evaluation mode, for subject.spec().
std::shared_ptr<Backbone> make_for_evaluation(const BackboneSubject& subject,
                                              std::uint64_t seed = 1);

// encode() with a generator of this seed, and the same without gradients.
at::Tensor encode(Backbone& backbone, const Observation& observations, std::uint64_t seed = 7);
at::Tensor evaluate(Backbone& backbone, const Observation& observations);

// The checks of weights and modes; backbone_checks() contains them.
std::vector<Check<BackboneSubject>> backbone_weight_checks();

}  // namespace roboimi::testing
