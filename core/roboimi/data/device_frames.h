// The frames of some episodes in the memory of a device, as stored: bytes for RGB. A batch is
// gathered on the device, so no frame is copied from the host during training. Internal; not
// installed.
//
//   DeviceFrames on_device(*store, dataset, episodes, device);
//   Observation images = on_device.rows(indices);   // camera -> [B, T, H, W, 3]
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/observation.h"
#include "roboimi/data/frame_store.h"

namespace roboimi {

class ROBOIMI_EXPORT DeviceFrames {
 public:
  // Copies the frames of all rows of the store's cameras in these episodes.
  DeviceFrames(const FrameStore& frames, const Dataset& dataset,
               const std::vector<std::int64_t>& episodes, c10::Device device);

  // Rows of the concatenated episodes, int64 [B, T] on the device: camera -> [B, T, ...].
  Observation rows(const at::Tensor& indices) const;

  // The size of these frames.
  static std::uint64_t bytes(const FrameStore& frames, const Dataset& dataset,
                             const std::vector<std::int64_t>& episodes);
  // The most that may be used: a third of the device's free memory. The rest is for training.
  static std::uint64_t most_bytes(c10::Device device);

 private:
  struct Camera {
    at::Tensor table;                  // [R, n], in the widest dtype that a row can be viewed as
    std::vector<std::int64_t> shape;   // of a frame
    at::ScalarType dtype = at::kByte;  // of a frame
  };
  std::map<std::string, Camera> cameras_;
};

}  // namespace roboimi
