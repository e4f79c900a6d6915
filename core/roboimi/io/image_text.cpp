#include "roboimi/io/image_text.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace roboimi {
namespace {

// A glyph is a list of strokes separated by spaces; a stroke is a list of points, each two
// hexadecimal digits: x, then y. The baseline is y = 3, the tops of lower-case letters are y = 10
// and those of capitals y = 13. A stroke of one point is a dot.
constexpr int kBaseline = 3;
constexpr int kCapHeight = 10;
constexpr int kGap = 3;         // between two characters
constexpr int kSpaceWidth = 3;  // in addition to the gap
constexpr std::string_view kMissing = "0d5d53030d";

struct Glyph {
  char character;
  std::string_view strokes;
};

constexpr Glyph kGlyphs[] = {
    {'!', "0d07 03"},
    {'"', "0d0b 2d2b"},
    {'#', "2d13 5d43 0a6a 0666"},
    {'$', "5b4c1c0b0a18485655441405 3e32"},
    {'%', "7d03 1d2c1b0c1d 6574635465"},
    {'&', "631a1c2d3c3b0604133367"},
    {'\'', "0d0b"},
    {'(', "2e0b0421"},
    {')', "0e2b2401"},
    {'*', "2b27 0a48 4a08"},
    {'+', "0747 2925"},
    {',', "1300"},
    {'-', "0747"},
    {'.', "03"},
    {'/', "014d"},
    {'0', "2d0b052333555b3d2d"},
    {'1', "1b3d33"},
    {'2', "0b2d3d5b590353"},
    {'3', "0b2d3d5b5a3828 385655332305"},
    {'4', "434d0656"},
    {'5', "5d0d09395755332304"},
    {'6', "4d2d0a0523335557392907"},
    {'7', "0d5d23"},
    {'8', "280a0b2d3d5b5a382806052333555638"},
    {'9', "1333565b3d2d0b09273759"},
    {':', "03 09"},
    {';', "1300 19"},
    {'<', "4a0744"},
    {'=', "0949 0545"},
    {'>', "0a4704"},
    {'?', "0b2d3d5b5a3836 33"},
    {'@', "635323050b2d5d7b776555675a 5a3a383656"},
    {'A', "033d63 1656"},
    {'B', "030d3d5b5a3808 3856553303"},
    {'C', "6b4d2d0b05234365"},
    {'D', "030d3d6a663303"},
    {'E', "5d0d0353 0848"},
    {'F', "5d0d03 0848"},
    {'G', "6b4d2d0b052343656838"},
    {'H', "030d 636d 0868"},
    {'I', "030d"},
    {'J', "4d45331305"},
    {'K', "030d 5d07 2953"},
    {'L', "0d0353"},
    {'M', "030d468d83"},
    {'N', "030d636d"},
    {'O', "2d0b052343656b4d2d"},
    {'P', "030d3d5b5a3808"},
    {'Q', "2d0b052343656b4d2d 4563"},
    {'R', "030d3d5b5a3808 2853"},
    {'S', "5c4d1d0b0a18485655431304"},
    {'T', "0d6d 3d33"},
    {'U', "0d052343656d"},
    {'V', "0d336d"},
    {'W', "0d235b83ad"},
    {'X', "0d63 6d03"},
    {'Y', "0d386d 3833"},
    {'Z', "0d6d0363"},
    {'[', "2e0e0121"},
    {'\\', "0d41"},
    {']', "0e2e2101"},
    {'^', "0a2d4a"},
    {'_', "0252"},
    {'`', "0d1b"},
    {'a', "5a53 583a2a0805233355"},
    {'b', "0d03 082a3a5855332305"},
    {'c', "583a2a0805233355"},
    {'d', "5d53 583a2a0805233355"},
    {'e', "0656583a2a0805233354"},
    {'f', "4d3d1b13 0a3a"},
    {'g', "5a52302001 583a2a0805233355"},
    {'h', "0d03 082a3a5853"},
    {'i', "0a03 0d"},
    {'j', "2a211000 2d"},
    {'k', "0d03 4a06 1743"},
    {'l', "0d0413"},
    {'m', "0a03 081a3a4843 485a7a8883"},
    {'n', "0a03 082a3a5853"},
    {'o', "3a2a0805233355583a"},
    {'p', "0a00 082a3a5855332305"},
    {'q', "5a50 583a2a0805233355"},
    {'r', "0a03 082a3a"},
    {'s', "493a1a090817364544331304"},
    {'t', "1d152333 0a3a"},
    {'u', "0a05233355 5a53"},
    {'v', "0a234a"},
    {'w', "0a234a638a"},
    {'x', "0a43 4a03"},
    {'y', "0a23 4a1000"},
    {'z', "0a4a0343"},
    {'{', "2e1d190807161221"},
    {'|', "0e01"},
    {'}', "0e1d192827161201"},
    {'~', "0718283747"},
};

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr int value_of(char hexadecimal) {
  return is_digit(hexadecimal) ? hexadecimal - '0' : hexadecimal - 'a' + 10;
}

std::string_view strokes_of(char character) {
  for (const Glyph& glyph : kGlyphs) {
    if (glyph.character == character) return glyph.strokes;
  }
  return kMissing;
}

// Calls `add(x, y, starts_stroke)` with each point of a glyph.
template <typename Add>
void for_each_point(std::string_view strokes, Add add) {
  bool starts = true;
  for (std::size_t i = 0; i < strokes.size();) {
    if (strokes[i] == ' ') {
      starts = true;
      ++i;
      continue;
    }
    add(value_of(strokes[i]), value_of(strokes[i + 1]), starts);
    starts = false;
    i += 2;
  }
}

int width_of(std::string_view strokes) {
  int width = 0;
  for_each_point(strokes, [&](int x, int, bool) { width = std::max(width, x); });
  return width;
}

// Every byte of UTF-8 after the first of its character.
bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Calls `place(strokes, x)` with each character and its left edge; returns the width of the text.
// Both are in units of the font.
template <typename Place>
int lay_out(const std::string& text, Place place) {
  int x = 0;
  for (const char c : text) {
    if (continues_character(c)) continue;
    if (c == ' ') {
      x += kSpaceWidth + kGap;
      continue;
    }
    const std::string_view strokes = strokes_of(c);
    place(strokes, x);
    // All digits are equally wide, so that a counter does not shift the text after it.
    x += (is_digit(c) ? width_of(strokes_of('0')) : width_of(strokes)) + kGap;
  }
  return text.empty() ? 0 : x - kGap;
}

}  // namespace

double text_width(const std::string& text, const TextStyle& style) {
  return lay_out(text, [](std::string_view, int) {}) * style.height / kCapHeight;
}

void draw_text(at::Tensor& image, PixelPoint origin, const std::string& text,
               const TextStyle& style) {
  const double scale = style.height / kCapHeight;
  std::vector<std::vector<PixelPoint>> lines;
  lay_out(text, [&](std::string_view strokes, int left) {
    for_each_point(strokes, [&](int x, int y, bool starts) {
      if (starts) lines.emplace_back();
      lines.back().push_back({origin[0] + scale * (left + x), origin[1] - scale * (y - kBaseline)});
    });
  });
  draw_polylines(image, lines, style.color, style.boldness * style.height);
}

}  // namespace roboimi
