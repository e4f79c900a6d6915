// A TorchScript program with its weights, as a module of the C++ frontend.
//
//   auto encoder = std::make_shared<ScriptedModule>("encoder.pt", OutputChoice{});
//   at::Tensor features = encoder->forward(pixels);   // float [N, ...] -> float [N, D]
//
// Parameters, buffers and other tensor attributes are registered under their names in the file.
// They are the tensors that the program uses, so to(), checkpoint loading and an optimizer affect
// it. The program always runs in evaluation mode, and without the just-in-time optimizer, whose
// first runs round differently from later ones.
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <memory>
#include <string>

#include "plugins/torchscript_backbone/output.h"

namespace roboimi::torchscript_backbone {

class ScriptedModule : public torch::nn::Module {
 public:
  // Throws Error if check_archive() rejects the file, or this libtorch cannot load the program.
  ScriptedModule(const std::filesystem::path& file, OutputChoice output);
  ~ScriptedModule() override;

  // Pixels are cast to the dtype of the parameters. Throws Error if the program raises an exception
  // or does not return a feature.
  at::Tensor forward(const at::Tensor& pixels);

  // A hash of the current values of all tensors that are not parameters.
  std::string state_digest() const;

 private:
  struct Program;

  std::string file_;
  OutputChoice output_;
  at::ScalarType input_type_ = at::kFloat;
  std::unique_ptr<Program> program_;
};

}  // namespace roboimi::torchscript_backbone
