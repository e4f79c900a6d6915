#include "roboimi/testing/backbone_under_test.h"

#include <ATen/ATen.h>

#include "roboimi/common/random.h"

namespace roboimi::testing {

std::shared_ptr<Backbone> make_backbone(const BackboneSubject& subject, const ObservationSpec& spec,
                                        std::uint64_t seed) {
  const SeededConstruction seeded(seed);
  std::shared_ptr<Backbone> backbone = subject.make(spec);
  require(backbone != nullptr, "the factory returns no backbone");
  return backbone;
}

std::shared_ptr<Backbone> make_backbone(const BackboneSubject& subject) {
  return make_backbone(subject, subject.spec());
}

std::shared_ptr<Backbone> make_for_evaluation(const BackboneSubject& subject, std::uint64_t seed) {
  std::shared_ptr<Backbone> backbone = make_backbone(subject, subject.spec(), seed);
  backbone->eval();
  return backbone;
}

at::Tensor encode(Backbone& backbone, const Observation& observations, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  return backbone.encode(observations, generator);
}

at::Tensor evaluate(Backbone& backbone, const Observation& observations) {
  const torch::NoGradGuard no_grad;
  return encode(backbone, observations);
}

}  // namespace roboimi::testing
