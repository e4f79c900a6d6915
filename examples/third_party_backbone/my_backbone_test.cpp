#include "my_backbone.h"

#include "roboimi/testing/conformance.h"

class MyBackboneSubject : public roboimi::testing::BackboneSubject {
  std::shared_ptr<roboimi::Backbone> make(const roboimi::ObservationSpec& spec) const override {
    return std::make_shared<roboimi::my_backbone::MyBackbone>(/*width=*/8, /*output_dim=*/5, spec);
  }
};
ROBOIMI_BACKBONE_CONFORMANCE(MyBackboneSubject);
