// An example backbone: a small ConvNet per camera. Replace it with your own model.
//
//   agent.backbone.plugin=./libmy_backbone.so agent.backbone.width=32
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/config/schema.h"
#include "roboimi/contract/backbone.h"

namespace roboimi::my_backbone {

class MyBackbone : public Backbone {
 public:
  MyBackbone(std::int64_t width, std::int64_t output_dim, const ObservationSpec& spec);

  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return output_dim_; }
  bool frozen() const override { return false; }
  at::Tensor encode(const Observation& images, at::Generator& generator) override;

 private:
  std::vector<std::string> cameras_;
  std::int64_t output_dim_;
  std::map<std::string, torch::nn::Sequential> encoders_;  // by camera
};

Schema schema();
std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec);

}  // namespace roboimi::my_backbone
