// The error a user sees.
//
//   throw Error({.what = "unknown key 'n_embd'",
//                .where = "agent/lewm.yaml:12:5",
//                .expected = "one of n_emb, n_layer, n_head",
//                .found = "n_embd",
//                .next = "did you mean 'n_emb'?"});
//
// prints as one line:
//
//   agent/lewm.yaml:12:5: unknown key 'n_embd': expected one of n_emb, n_layer, n_head; found
//   n_embd; did you mean 'n_emb'?
//
// Error is for a user's mistake or a machine's fault (a missing file, a full disk). A broken
// invariant of roboimi itself goes through ROBOIMI_CHECK, which aborts with the values.
#pragma once

#include <concepts>
#include <stdexcept>
#include <string>
#include <utility>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT Error : public std::runtime_error {
 public:
  // Empty parts are left out of the text.
  struct Parts {
    std::string what;           // what went wrong, in one clause
    std::string where = {};     // file:line:column, a file, a plugin, a tensor's name
    std::string expected = {};  // what would have been right
    std::string found = {};     // what was there
    std::string next = {};      // what the user can do about it
  };

  explicit Error(Parts parts);
  // A template so that Error({.what = ...}) is never taken for a text.
  template <std::convertible_to<std::string> Text>
  explicit Error(Text&& what) : Error(Parts{.what = std::string(std::forward<Text>(what))}) {}
  ~Error() override;

  const Parts& parts() const { return parts_; }

 private:
  Parts parts_;
};

// The message of an exception for one line of output: an Error's text, the first line of a libtorch
// exception (whose text otherwise carries a backtrace), or that an allocator found no memory.
ROBOIMI_EXPORT std::string one_line_message(const std::exception& error);

// Prints `condition`, `detail` and the place to stderr, and aborts.
[[noreturn]] ROBOIMI_EXPORT void fail_check(const char* condition, const std::string& detail,
                                            const char* file, int line);

}  // namespace roboimi

#define ROBOIMI_CHECK(condition, detail) \
  ((condition) ? (void)0 : ::roboimi::fail_check(#condition, (detail), __FILE__, __LINE__))
