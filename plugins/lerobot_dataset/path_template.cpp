#include "plugins/lerobot_dataset/path_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi::lerobot_dataset {
namespace {

constexpr std::string_view kVideoKey = "video_key";
constexpr std::array<std::string_view, 5> kFields = {"chunk_index", "file_index", "episode_chunk",
                                                     "episode_index", kVideoKey};
constexpr std::size_t kMostDigits = 18;  // of a number that fits into 64 bits

[[noreturn]] void refuse(const std::string& text, const std::string& what) {
  throw Error(
      {.what = what,
       .expected = "a path such as data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
       .found = printable(text)});
}

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

}  // namespace

PathTemplate::PathTemplate(const std::string& text) : text_(text) {
  // A path from an untrusted file must stay in the dataset's folder.
  const std::filesystem::path path(text);
  const bool leaves = path.is_absolute() || std::ranges::find(path, "..") != path.end();
  if (text.empty() || leaves) refuse(text, "the path leaves the folder of the dataset");

  // Split into literals and fields: "{name}" or "{name:03d}".
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t open = std::min(text.find('{', begin), text.size());
    if (open > begin) parts_.push_back({.text = text.substr(begin, open - begin)});
    if (open == text.size()) break;
    const std::size_t close = text.find('}', open);
    if (close == std::string::npos) refuse(text, "the path has an open brace");
    const std::string field = text.substr(open + 1, close - open - 1);
    const std::size_t colon = std::min(field.find(':'), field.size());
    Part part{.text = field.substr(0, colon), .is_field = true};
    if (std::ranges::find(kFields, part.text) == kFields.end()) {
      refuse(text, "the path has an unknown field '" + printable(part.text) + "'");
    }
    if (colon < field.size()) {
      std::from_chars(field.data() + colon + 1, field.data() + field.size(), part.width);
    }
    part.width = std::clamp(part.width, 0, static_cast<int>(kMostDigits));
    parts_.push_back(std::move(part));
    begin = close + 1;
  }
}

std::string PathTemplate::format(const PathFields& fields) const {
  std::string path;
  for (const Part& part : parts_) {
    if (!part.is_field) {
      path += part.text;
    } else if (part.text == kVideoKey) {
      if (fields.video_key.find("..") != std::string::npos || fields.video_key.starts_with('/')) {
        refuse(fields.video_key, "the name of the video leaves the folder of the dataset");
      }
      path += fields.video_key;
    } else {
      const auto number = fields.numbers.find(part.text);
      if (number == fields.numbers.end()) {
        refuse(text_, "the path needs the field '" + part.text + "', which this version lacks");
      }
      path += fmt::format("{:0{}}", number->second, std::max(part.width, 1));
    }
  }
  return path;
}

std::optional<PathFields> PathTemplate::match(std::string_view path) const {
  PathFields fields;
  if (!match_from(0, path, fields)) return std::nullopt;
  return fields;
}

bool PathTemplate::match_from(std::size_t index, std::string_view rest, PathFields& fields) const {
  if (index == parts_.size()) return rest.empty();
  const Part& part = parts_[index];
  if (!part.is_field) {
    return rest.starts_with(part.text) &&
           match_from(index + 1, rest.substr(part.text.size()), fields);
  }
  if (part.text == kVideoKey) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    fields.video_key = rest.substr(0, end);
    return end > 0 && match_from(index + 1, rest.substr(end), fields);
  }

  // All digits belong to the number: no template has two numbers side by side.
  std::size_t digits = 0;
  while (digits < rest.size() && is_digit(rest[digits])) ++digits;
  if (digits == 0 || digits > kMostDigits) return false;
  std::from_chars(rest.data(), rest.data() + digits, fields.numbers[part.text]);
  return match_from(index + 1, rest.substr(digits), fields);
}

std::string PathTemplate::first_folder() const {
  const std::size_t slash = text_.substr(0, text_.find('{')).rfind('/');
  return slash == std::string::npos ? "." : text_.substr(0, slash);
}

}  // namespace roboimi::lerobot_dataset
