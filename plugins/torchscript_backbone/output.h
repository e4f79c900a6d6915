// Selection of the feature among the values that a program returns.
//
//   OutputChoice choice{.entry = "last_hidden_state", .token = Token::kCls};
//   at::Tensor feature = feature_of(returned, choice, frames, "encoder.pt");   // [N, D]
#pragma once

#include <ATen/core/ivalue.h>

#include <optional>
#include <string>

namespace roboimi::torchscript_backbone {

enum class Token {
  kNone,  // the value is already [N, D]
  kCls,   // the first of [N, T, D]
  kMean,  // the mean over T of [N, T, D]
};

struct OutputChoice {
  std::optional<std::string> entry;  // a dict's key, or a tuple's or a list's index
  Token token = Token::kNone;
};

// Converts the `value` returned for `frames` frames to a feature, float32 [frames, D]. An Error at
// `where` shows what was returned: several values without a choice, a choice that does not exist,
// or a wrong rank, number of frames or type.
at::Tensor feature_of(const c10::IValue& value, const OutputChoice& choice, std::int64_t frames,
                      const std::string& where);

}  // namespace roboimi::torchscript_backbone
