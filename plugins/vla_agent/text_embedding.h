// Turns the strings of a text stream, such as the instruction of a task, into vectors.
//
// The strings of the training data are kept in a table, in the checkpoint. Each has a vector:
// learned with the policy, or computed once by a TorchScript encoder.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "roboimi/contract/observation.h"
#include "roboimi/contract/run_files.h"

namespace roboimi::vla_agent {

// How strings become vectors.
enum class Language { kNone, kTaskEmbedding, kTorchScript };

struct LanguageOptions {
  Language kind = Language::kNone;
  std::string stream = "task";  // the text stream
  std::int64_t dim = 32;        // size of a vector
  std::int64_t max_texts = 64;  // rows of the table
  // kTorchScript: a module whose forward() takes a list of strings and returns float [N, dim].
  std::filesystem::path encoder = {};

  std::int64_t condition_dim() const { return kind == Language::kNone ? 0 : dim; }
};

class TextEmbedding : public torch::nn::Module, public KeepsFiles {
 public:
  // `stream`: the text stream of the data. Error if the encoder's file is missing.
  TextEmbedding(const LanguageOptions& options, const StreamSpec& stream);
  ~TextEmbedding() override;

  // Fills the table. Error if there are too many strings, or the encoder fails or returns another
  // size.
  void set_texts(const std::vector<std::string>& texts);
  bool has_texts() const;

  // uint8 [..., bytes] -> float [..., dim]. A string that is not in the table gives zeros; there is
  // no check, because it would synchronize the device in every step.
  at::Tensor embed(const at::Tensor& texts) const;
  // For acting: one string, uint8 [bytes] -> float [dim]. A string that is not in the table is
  // encoded, once, if there is an encoder. Otherwise an Error lists the known strings.
  at::Tensor embed_one(const at::Tensor& text);

  std::vector<std::filesystem::path> run_files() const override;

 private:
  struct Encoder;
  const std::vector<std::string>& known();
  at::Tensor encode(const std::vector<std::string>& texts);  // float [N, dim], on the CPU

  LanguageOptions options_;
  at::Tensor texts_;      // uint8 [max_texts, bytes]; unused rows are 255
  at::Tensor num_texts_;  // int64 []
  at::Tensor vectors_;    // float [max_texts, dim], a parameter if it is learned
  std::shared_ptr<Encoder> encoder_;
  std::mutex mutex_;                           // guards the rest
  std::vector<std::string> known_;             // the strings of the table, filled when first needed
  std::map<std::string, at::Tensor> encoded_;  // others, by embed_one()
};

}  // namespace roboimi::vla_agent
