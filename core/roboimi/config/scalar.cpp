#include "roboimi/config/scalar.h"

#include <charconv>
#include <cmath>
#include <system_error>

namespace roboimi::config {
namespace {

// std::from_chars does not accept a leading plus.
std::string_view without_plus(std::string_view text) {
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+';
  return plus ? text.substr(1) : text;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "1_000" -> "1000"; the underscores stand between digits.
std::string without_underscores(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool joins = text[at] == '_' && at > 0 && at + 1 < text.size() &&
                       is_digits(text.substr(at - 1, 1)) && is_digits(text.substr(at + 1, 1));
    if (!joins) plain += text[at];
  }
  return plain;
}

}  // namespace

std::optional<bool> read_boolean(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

std::optional<std::int64_t> read_integer(std::string_view text) {
  text = without_plus(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> read_whole_number(std::string_view given) {
  const std::string plain = without_underscores(given);
  std::string_view text = without_plus(plain);
  if (const auto integer = read_integer(text)) return integer;
  if (!read_number(text)) return std::nullopt;
  const std::string_view sign = text[0] == '-' ? "-" : "";
  text.remove_prefix(sign.size());
  // The digits and the power of ten that they are multiplied by.
  const std::size_t exponent_at = text.find_first_of("eE");
  std::int64_t power = 0;
  if (exponent_at != std::string_view::npos) {
    power = read_integer(text.substr(exponent_at + 1)).value_or(0);
    text = text.substr(0, exponent_at);
  }
  const std::size_t point = text.find('.');
  std::string digits(text.substr(0, point));
  if (point != std::string_view::npos) digits += text.substr(point + 1);
  digits.erase(0, digits.find_first_not_of('0'));
  if (digits.empty()) return 0;  // with any exponent: the others are those of a double
  if (point != std::string_view::npos) power -= static_cast<std::int64_t>(text.size() - point - 1);
  while (power < 0 && digits.ends_with('0')) {
    digits.pop_back();
    ++power;
  }
  if (power < 0 || power > 18) return std::nullopt;
  return read_integer(std::string(sign) + digits +
                      std::string(static_cast<std::size_t>(power), '0'));
}

std::optional<double> read_number(std::string_view text) {
  text = without_plus(text);
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

bool reads_as_null(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

bool reads_as_text(std::string_view text) {
  if (reads_as_null(text) || read_boolean(text) || read_number(text)) return false;
  // Beyond the range of a double, or of 64 bits.
  double value = 0.0;
  const std::string_view digits = without_plus(text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end == digits.data() + digits.size() && error != std::errc::invalid_argument) return false;
  std::string_view unsigned_text = text;
  if (unsigned_text[0] == '-' || unsigned_text[0] == '+') unsigned_text.remove_prefix(1);
  if (is_digits(unsigned_text)) return false;
  for (const char* name : {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"}) {
    if (unsigned_text == name) return false;
  }
  return true;
}

std::string write_number(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return {buffer, end};
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  std::size_t begin = 0;
  for (std::size_t at = text.find(from); at != std::string_view::npos;
       at = text.find(from, begin)) {
    result.append(text.substr(begin, at - begin)).append(to);
    begin = at + from.size();
  }
  return result.append(text.substr(begin));
}

std::string escape_references(std::string_view text) { return replace_all(text, "${", "\\${"); }

std::string unescape_references(std::string_view text) { return replace_all(text, "\\${", "${"); }

}  // namespace roboimi::config
