#include "plugins/vla_agent/text_embedding.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/utils.h>

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi::vla_agent {
namespace {

constexpr std::uint8_t kUnused = 255;  // never a byte of UTF-8

}  // namespace

struct TextEmbedding::Encoder {
  torch::jit::Module module;
};

TextEmbedding::TextEmbedding(const LanguageOptions& options, const StreamSpec& stream)
    : torch::nn::Module("TextEmbedding"), options_(options) {
  texts_ = register_buffer(
      "texts", at::full({options_.max_texts, stream.shape.front()}, kUnused, at::kByte));
  num_texts_ = register_buffer("num_texts", at::zeros({}, at::kLong));
  const at::Tensor vectors = at::zeros({options_.max_texts, options_.dim});
  if (options_.kind == Language::kTaskEmbedding) {
    vectors_ = register_parameter("vectors", vectors.normal_());
    return;
  }
  vectors_ = register_buffer("vectors", vectors);
  const std::filesystem::path file = RunFiles::find(options_.encoder);
  try {
    encoder_ = std::make_shared<Encoder>(Encoder{torch::jit::load(file.string())});
    encoder_->module.eval();
  } catch (const std::exception& error) {
    throw Error({.what = "cannot load the text encoder: " + printable(one_line_message(error), 200),
                 .where = file.string(),
                 .expected = "a TorchScript module that takes a list of strings",
                 .next = "export it with torch.jit.script(module).save(file)"});
  }
}

TextEmbedding::~TextEmbedding() = default;

std::vector<std::filesystem::path> TextEmbedding::run_files() const {
  if (options_.kind != Language::kTorchScript) return {};
  return {options_.encoder};
}

at::Tensor TextEmbedding::encode(const std::vector<std::string>& texts) {
  const torch::NoGradGuard no_grad;
  at::Tensor found;
  try {
    found = encoder_->module.forward({c10::List<std::string>(texts)}).toTensor();
  } catch (const std::exception& error) {
    throw Error({.what = "the text encoder failed: " + printable(one_line_message(error), 300),
                 .where = options_.encoder.string(),
                 .expected = "forward(texts: List[str]) -> Tensor"});
  }
  const std::vector<std::int64_t> expected = {std::ssize(texts), options_.dim};
  if (!found.is_floating_point() || found.sizes() != at::IntArrayRef(expected)) {
    throw Error({.what = "the text encoder returned the wrong size",
                 .where = options_.encoder.string(),
                 .expected = fmt::format("float [{}]", fmt::join(expected, ", ")),
                 .found = c10::str(found.scalar_type(), " ", found.sizes()),
                 .next = "set agent.language_dim to the encoder's size"});
  }
  return found.to(at::kCPU, at::kFloat);
}

void TextEmbedding::set_texts(const std::vector<std::string>& texts) {
  const std::int64_t count = std::ssize(texts);
  if (count < 1 || count > options_.max_texts) {
    throw Error(
        {.what = fmt::format("the data has {} different strings in '{}'", count, options_.stream),
         .where = "agent.language",
         .expected = fmt::format("1 to {}", options_.max_texts),
         .next = count < 1 ? "set agent.language=none" : "increase agent.max_texts"});
  }
  const torch::NoGradGuard no_grad;
  texts_.fill_(kUnused);
  for (std::int64_t i = 0; i < count; ++i) {
    texts_[i].copy_(text_tensor(texts[static_cast<std::size_t>(i)], texts_.size(1)));
  }
  num_texts_.fill_(count);
  if (encoder_) vectors_.slice(0, 0, count).copy_(encode(texts));
  const std::lock_guard lock(mutex_);
  known_.clear();
}

bool TextEmbedding::has_texts() const { return num_texts_.item<std::int64_t>() > 0; }

const std::vector<std::string>& TextEmbedding::known() {
  if (!known_.empty()) return known_;
  const at::Tensor table = texts_.to(at::kCPU);
  for (std::int64_t i = 0; i < num_texts_.item<std::int64_t>(); ++i) {
    known_.push_back(text_of(table[i]));
  }
  return known_;
}

at::Tensor TextEmbedding::embed(const at::Tensor& texts) const {
  const at::Tensor is_row = texts.unsqueeze(-2).eq(texts_).all(-1);  // [..., max_texts]
  return is_row.to(vectors_.scalar_type()).matmul(vectors_);
}

at::Tensor TextEmbedding::embed_one(const at::Tensor& text) {
  const std::string wanted = text_of(text);
  const std::lock_guard lock(mutex_);
  const std::vector<std::string>& texts = known();
  if (const auto row = std::ranges::find(texts, wanted); row != texts.end()) {
    return vectors_[row - texts.begin()].detach();
  }
  if (!encoder_) {
    throw Error({.what = fmt::format("the policy does not know the string '{}'", printable(wanted)),
                 .where = fmt::format("the stream '{}'", options_.stream),
                 .expected = fmt::format("one of '{}'", fmt::join(texts, "', '")),
                 .next = "pass a string from the training data"});
  }
  at::Tensor& vector = encoded_[wanted];
  if (!vector.defined()) vector = encode({wanted})[0].to(vectors_.device());
  return vector;
}

}  // namespace roboimi::vla_agent
