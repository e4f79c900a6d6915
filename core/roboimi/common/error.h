// The exception for errors that a user sees.
//
//   throw Error({.what = "unknown key 'n_embd'",
//                .where = "agent/lewm.yaml:12:5",
//                .expected = "one of n_emb, n_layer, n_head",
//                .found = "n_embd",
//                .next = "did you mean 'n_emb'?"});
//
// prints as one line (wrapped here):
//
//   agent/lewm.yaml:12:5: unknown key 'n_embd': expected one of n_emb, n_layer, n_head; found
//   n_embd; did you mean 'n_emb'?
//
// Error is for mistakes of the user and failures of the machine (a missing file, a full disk). For
// broken invariants of roboimi itself use ROBOIMI_CHECK, which prints the values and aborts.
#pragma once

#include <concepts>
#include <stdexcept>
#include <string>
#include <utility>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT Error : public std::runtime_error {
 public:
  // Empty parts are left out of the message.
  struct Parts {
    std::string what;           // what went wrong, in one clause
    std::string where = {};     // file:line:column, a file, a plugin, a tensor's name
    std::string expected = {};  // the correct value or range
    std::string found = {};     // the actual value
    std::string next = {};      // what the user can do about it
  };

  explicit Error(Parts parts);
  // A template so that Error({.what = ...}) is never converted to a string.
  template <std::convertible_to<std::string> Text>
  explicit Error(Text&& what) : Error(Parts{.what = std::string(std::forward<Text>(what))}) {}
  ~Error() override;

  const Parts& parts() const { return parts_; }

 private:
  Parts parts_;
};

// The message of an exception in one line: an Error's text, the first line of a libtorch exception
// (without its backtrace), or a message about memory if an allocation failed.
ROBOIMI_EXPORT std::string one_line_message(const std::exception& error);

// Prints `condition`, `detail`, file and line to stderr, and aborts.
[[noreturn]] ROBOIMI_EXPORT void fail_check(const char* condition, const std::string& detail,
                                            const char* file, int line);

}  // namespace roboimi

#define ROBOIMI_CHECK(condition, detail) \
  ((condition) ? (void)0 : ::roboimi::fail_check(#condition, (detail), __FILE__, __LINE__))
