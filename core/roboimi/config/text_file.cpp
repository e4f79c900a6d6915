#include "roboimi/config/text_file.h"

#include <algorithm>
#include <cstdint>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/text.h"

namespace roboimi::config {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMostBytes = 16 << 20;
constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf";

[[noreturn]] void fail_encoding(const fs::path& file, int line, const std::string& found) {
  throw Error({.what = "not UTF-8",
               .where = line > 0 ? file.string() + ":" + std::to_string(line) : file.string(),
               .expected = "a text file in UTF-8",
               .found = found,
               .next = "save the file again as UTF-8"});
}

// The encoding that a byte order mark or many zero bytes indicate; else empty.
std::string wide_encoding(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\xff\xfe\0\0"sv) || bytes.starts_with("\0\0\xfe\xff"sv)) return "UTF-32";
  if (bytes.starts_with("\xff\xfe"sv) || bytes.starts_with("\xfe\xff"sv)) return "UTF-16";
  const std::string_view head = bytes.substr(0, 64);
  const auto zeros = static_cast<std::size_t>(std::count(head.begin(), head.end(), '\0'));
  return zeros > 1 && zeros >= head.size() / 3 ? "UTF-16 without a byte order mark" : "";
}

// Throws Error for the first line that is not UTF-8 or contains a zero byte.
void require_utf8(const fs::path& file, const std::string& text) {
  const std::size_t zero = text.find('\0');
  if (zero == std::string::npos && is_utf8(text)) return;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find('\0') != std::string::npos) fail_encoding(file, number, "a zero byte");
    if (is_utf8(line)) continue;
    fail_encoding(file, number,
                  "'" + printable(line, 60) + "', perhaps in Latin-1 or Windows-1252");
  }
}

}  // namespace

std::string read_config_text(const fs::path& file) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(file, error);
  if (!error && bytes > kMostBytes) {
    throw Error({.what = "too large for a config",
                 .where = file.string(),
                 .expected = "at most " + std::to_string(kMostBytes) + " bytes",
                 .found = std::to_string(bytes)});
  }
  std::string text = read_text(file);
  if (const std::string wide = wide_encoding(text); !wide.empty()) fail_encoding(file, 0, wide);
  if (text.starts_with(kUtf8Mark)) text.erase(0, kUtf8Mark.size());
  require_utf8(file, text);
  return text;
}

std::string tab_hint(std::string_view text, int line) {
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string each; number <= line && std::getline(lines, each);) {
    ++number;
    const std::string indent = each.substr(0, each.find_first_not_of(" \t"));
    const bool is_blank = indent.size() == each.size() || each[indent.size()] == '#';
    if (is_blank || indent.find('\t') == std::string::npos) continue;
    return "line " + std::to_string(number) + " is indented with a tab: use spaces";
  }
  return "";
}

}  // namespace roboimi::config
