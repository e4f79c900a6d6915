// Text in images, drawn with a built-in stroke font of the printable ASCII characters.
//
//   draw_text(image, {10, 30}, "seed 500   step 12", {.height = 13, .color = {255, 255, 255}});
//
// A character that the font lacks is drawn as a box.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "roboimi/common/export.h"
#include "roboimi/io/image.h"

namespace roboimi {

struct TextStyle {
  double height = 13.0;  // of a capital letter, in pixels
  Rgb color = {255, 255, 255};
  double boldness = 0.11;  // thickness of a stroke relative to `height`
};

// Draws one line of text. `origin` is the left end of the baseline.
ROBOIMI_EXPORT void draw_text(at::Tensor& image, PixelPoint origin, const std::string& text,
                              const TextStyle& style);

// The width of the text in pixels.
ROBOIMI_EXPORT double text_width(const std::string& text, const TextStyle& style);

}  // namespace roboimi
