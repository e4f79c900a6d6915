// Which of the values that a program returns is the feature.
//
//   OutputChoice choice{.entry = "last_hidden_state", .token = Token::kCls};
//   at::Tensor feature = feature_of(returned, choice, frames, "encoder.pt");   // [N, D]
#pragma once

#include <ATen/core/ivalue.h>

#include <optional>
#include <string>

namespace roboimi::torchscript_backbone {

enum class Token {
  kNone,  // the value is [N, D] already
  kCls,   // the first of [N, T, D]
  kMean,  // the mean over T of [N, T, D]
};

struct OutputChoice {
  std::optional<std::string> entry;  // a dict's key, or a tuple's or a list's index
  Token token = Token::kNone;
};

// `value` returned for `frames` frames -> float32 [frames, D]. Error, from `where`, that shows what
// was returned: several values and no choice among them, a choice that is not there, a rank, a
// number of frames or a type that does not fit.
at::Tensor feature_of(const c10::IValue& value, const OutputChoice& choice, std::int64_t frames,
                      const std::string& where);

}  // namespace roboimi::torchscript_backbone
