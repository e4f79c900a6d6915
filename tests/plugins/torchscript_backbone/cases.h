// Modules exported by tests/reference/torchscript_reference.py, once for all tests of a process.
#pragma once

#include <filesystem>
#include <string>

#include "plugins/torchscript_backbone/torchscript_backbone.h"
#include "roboimi/common/random.h"
#include "roboimi/io/safetensors.h"
#include "tests/reference/run_reference.h"

namespace roboimi::torchscript_backbone {

inline std::filesystem::path exported(const std::string& name) {
  static const ReferenceFolder folder("torchscript_backbone");
  if (!std::filesystem::exists(folder.path() / "program.pt2")) {  // the last file to be written
    run_reference("torchscript_reference.py", folder.path().string());
  }
  return folder.path() / name;
}

inline ObservationSpec two_cameras() {
  return {.streams = {rgb_stream("front", {40, 48}), rgb_stream("top", {40, 48})}};
}

inline std::shared_ptr<TorchScriptBackbone> make(const std::string& name,
                                                 TorchScriptOptions options = {}) {
  options.file = exported(name);
  return std::make_shared<TorchScriptBackbone>(std::move(options), two_cameras());
}

// The images front and top, uint8 [2, 3, 40, 48, 3], and their features in PyTorch's eager mode.
inline const std::map<std::string, at::Tensor>& expected() {
  static const TensorFile file = read_safetensors(exported("results.safetensors"));
  return file.tensors;
}

inline Observation frames() {
  return {{"front", expected().at("front")}, {"top", expected().at("top")}};
}

inline at::Tensor encode(TorchScriptBackbone& backbone, const Observation& images) {
  at::Generator generator = make_generator(1);
  return backbone.encode(images, generator);
}

}  // namespace roboimi::torchscript_backbone
