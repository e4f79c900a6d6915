#include "roboimi/data/device_transfer.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace roboimi {
namespace {

c10::Stream current_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

Uploader::Uploader(c10::Device device) : device_(device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  device_ = stream_->device();  // with an index
}

Upload Uploader::start(const Observation& host) const {
  if (!stream_) return {.tensors = host, .ready = nullptr};
  const c10::DeviceGuard device(device_);
  const c10::StreamGuard guard(*stream_);
  Upload upload{.tensors = {}, .ready = std::make_shared<c10::Event>(device_.type())};
  for (const auto& [name, tensor] : host) {
    const at::Tensor staged = tensor.is_pinned() ? tensor : tensor.pin_memory();
    upload.tensors[name] = staged.to(device_, /*non_blocking=*/true);
  }
  upload.ready->record(*stream_);
  return upload;
}

Observation take(Upload upload) {
  if (upload.ready == nullptr) return std::move(upload.tensors);
  for (const auto& [name, tensor] : upload.tensors) {
    const c10::Stream user = current_stream(tensor.device());
    upload.ready->block(user);
    // The memory belongs to the copying stream: it may be used again only after the user's work.
    tensor.record_stream(user);
  }
  return std::move(upload.tensors);
}

Download start_download(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return {.tensor = tensor, .ready = nullptr};
  Download download{
      .tensor = at::empty(tensor.sizes(), tensor.options().device(at::kCPU).pinned_memory(true)),
      .ready = std::make_shared<c10::Event>(tensor.device().type())};
  download.tensor.copy_(tensor, /*non_blocking=*/true);
  download.ready->record(current_stream(tensor.device()));
  return download;
}

at::Tensor take(const Download& download) {
  if (download.ready != nullptr) download.ready->synchronize();
  return download.tensor;
}

}  // namespace roboimi
