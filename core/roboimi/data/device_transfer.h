// Copies between host memory and a device that overlap with the work on the device's current
// stream. Internal; not installed.
//
//   const Uploader uploader(device);
//   Upload upload = uploader.start(frames);            // on a reading thread
//   Observation on_device = take(std::move(upload));   // on the thread that uses them
//
//   Download download = start_download(features);      // returns at once
//   at::Tensor on_host = take(std::move(download));    // waits for the copy
//
// Uploads are staged in page-locked memory and copied on a stream of their own. On a CPU nothing is
// copied.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <memory>
#include <optional>

#include "roboimi/contract/observation.h"

namespace roboimi {

struct Upload {
  Observation tensors;                // on the device
  std::shared_ptr<c10::Event> ready;  // nullptr: ready
};

class Uploader {
 public:
  explicit Uploader(c10::Device device);
  // Tensors on the CPU. Safe to call from several threads.
  Upload start(const Observation& host) const;

 private:
  c10::Device device_;
  std::optional<c10::Stream> stream_;  // none for a CPU
};

// The current stream waits for the copy; the host does not.
Observation take(Upload upload);

struct Download {
  at::Tensor tensor;                  // on the CPU
  std::shared_ptr<c10::Event> ready;  // nullptr: ready
};

// Copies after the work on the current stream.
Download start_download(const at::Tensor& tensor);
at::Tensor take(const Download& download);

}  // namespace roboimi
