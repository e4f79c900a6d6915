#include "roboimi/common/error.h"

#include <c10/util/Exception.h>

#include <cstdio>
#include <cstdlib>
#include <new>

#include "roboimi/common/interrupted.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

// Names and paths may contain line breaks and other control characters.
std::string in_one_line(const std::string& text) { return printable(text, std::string::npos); }

std::string compose(const Error::Parts& parts) {
  std::string text = parts.where.empty() ? parts.what : parts.where + ": " + parts.what;
  std::string separator = ": ";
  auto append = [&](const std::string& label, const std::string& value) {
    if (value.empty()) return;
    text += separator + label + value;
    separator = "; ";
  };
  append("expected ", parts.expected);
  append("found ", parts.found);
  if (!parts.next.empty()) text += "; " + parts.next;
  return in_one_line(text);
}

}  // namespace

Error::Error(Parts parts) : std::runtime_error(compose(parts)), parts_(std::move(parts)) {}

Error::~Error() = default;

Interrupted::~Interrupted() = default;

std::string one_line_message(const std::exception& error) {
  constexpr char kNoMemory[] = "not enough memory; use smaller sizes, or free some memory";
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return kNoMemory;
  std::string text = error.what();
  if (const auto* torch_error = dynamic_cast<const c10::Error*>(&error)) {
    text = torch_error->what_without_backtrace();
    if (text.find("DefaultCPUAllocator") != std::string::npos) return kNoMemory;
  }
  return in_one_line(text.substr(0, text.find('\n')));
}

void fail_check(const char* condition, const std::string& detail, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s: %s\n", file, line, condition, detail.c_str());
  std::abort();
}

}  // namespace roboimi
