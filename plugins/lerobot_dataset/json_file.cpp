#include "plugins/lerobot_dataset/json_file.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/text.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kNotFinite = {"NaN", "Infinity", "-Infinity"};

std::string read_checked(const fs::path& file) {
  std::string text = read_text(file);
  if (text.starts_with("version https://git-lfs")) {
    throw Error({.what = "the file is a Git LFS pointer and not the data",
                 .where = file.string(),
                 .next = "fetch the data in its folder: git lfs pull"});
  }
  return text;
}

// JSON has no NaN and no infinity, but Python writes them: they are put in quotes.
std::string quote_not_finite(std::string_view text) {
  std::string quoted;
  quoted.reserve(text.size());
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (in_string && letter == '\\' && i + 1 < text.size()) {
      quoted += letter;
      quoted += text[++i];
      continue;
    }
    if (letter == '"') in_string = !in_string;
    std::string_view word;
    for (const std::string_view name : kNotFinite) {
      if (!in_string && text.substr(i).starts_with(name)) word = name;
    }
    if (word.empty()) {
      quoted += letter;
    } else {
      quoted += '"';
      quoted += word;
      quoted += '"';
      i += word.size() - 1;
    }
  }
  return quoted;
}

Json parse(std::string_view text, const std::string& where) {
  try {
    return Json::parse(quote_not_finite(text), is_shallow<Json>);
  } catch (const nlohmann::json::exception& error) {
    const std::string reason = error.what();
    const std::size_t prefix = reason.find("] ");
    throw Error(
        {.what = "the file is not JSON: " +
                 printable(prefix == std::string::npos ? reason : reason.substr(prefix + 2)),
         .where = where,
         .next = "copy the file again, or repair it"});
  }
}

}  // namespace

Json read_json(const fs::path& file) { return parse(read_checked(file), file.string()); }

void read_json_lines(const fs::path& file,
                     const std::function<void(const Json& value, std::int64_t line)>& use) {
  const std::string text = read_checked(file);
  std::int64_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    use(parse(line, fmt::format("{}:{}", file.string(), number)), number);
  }
}

std::string shown(const Json& value) {
  // Values that were put in quotes are shown as the file has them.
  if (value.is_string()) {
    for (const std::string_view name : kNotFinite) {
      if (value.get<std::string>() == name) return std::string(name);
    }
  }
  return printable(json_text(value, -1), 80);
}

}  // namespace roboimi::lerobot_dataset
