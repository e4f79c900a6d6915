// A TorchScript program and its weights as a module of the C++ frontend.
//
//   auto encoder = std::make_shared<ScriptedModule>("encoder.pt", OutputChoice{});
//   at::Tensor features = encoder->forward(pixels);   // float [N, ...] -> float [N, D]
//
// Parameters, buffers and other tensor attributes are registered under their names in the file, and
// are the tensors that the program reads: to(), a checkpoint's loading and an optimiser reach it.
// The program runs in evaluation mode whatever train() says, and without the just-in-time
// optimiser, whose first runs and later runs round differently.
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <memory>
#include <string>

#include "plugins/torchscript_backbone/output.h"

namespace roboimi::torchscript_backbone {

class ScriptedModule : public torch::nn::Module {
 public:
  // Error: what check_archive() refuses, a program that this libtorch does not understand.
  ScriptedModule(const std::filesystem::path& file, OutputChoice output);
  ~ScriptedModule() override;

  // Pixels are cast to the parameters' type. Error: the program raises, or returns no feature.
  at::Tensor forward(const at::Tensor& pixels);

  // Of the tensors that the program holds now and that are not parameters.
  std::string state_digest() const;

 private:
  struct Program;

  std::string file_;
  OutputChoice output_;
  at::ScalarType input_type_ = at::kFloat;
  std::unique_ptr<Program> program_;
};

}  // namespace roboimi::torchscript_backbone
