// The conformance kit: what every component of a kind must keep to, as named checks.
//
// A plugin's author runs them in one of two ways. Without writing anything:
//
//   roboimi plugins check libmy_backbone.so --config options.yaml
//
// or with GoogleTest, one class that makes the component and one line (testing/conformance.h).
//
// A check passes by returning, and fails by require(), whose text says what to mend. What a
// component does not have (a frozen backbone has no gradients) is skipped by skip().
#pragma once

#include <exception>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi::testing {

// One requirement of the components that a `Kind` of subject describes.
template <typename Kind>
struct Check {
  std::string name;    // frozen_means_frozen
  std::string reason;  // why a user needs it, one clause
  std::function<void(const Kind&)> run;
};

// What a component may say of itself; each kind adds its own. A check in skipped() is passed over,
// with the reason given there.
class ROBOIMI_EXPORT Subject {
 public:
  virtual ~Subject();
  virtual std::map<std::string, std::string> skipped() const { return {}; }
};

class ROBOIMI_EXPORT CheckFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~CheckFailure() override;
};

class ROBOIMI_EXPORT CheckSkipped : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~CheckSkipped() override;
};

// Fails the check unless `holds`. `mend` says what was wrong and what to do about it.
ROBOIMI_EXPORT void require(bool holds, const std::string& mend);
[[noreturn]] ROBOIMI_EXPORT void skip(const std::string& reason);

// Fails unless `call` throws roboimi::Error whose text has all of `words`; `what` names the mistake
// made on purpose. Another exception fails too: users would see a backtrace.
ROBOIMI_EXPORT void require_error(const std::string& what, const std::vector<std::string>& words,
                                  const std::function<void()>& call);

enum class CheckStatus { kPassed, kFailed, kSkipped };
// "passed", "failed", "skipped".
ROBOIMI_EXPORT const char* to_string(CheckStatus status);

struct CheckResult {
  std::string check, reason;
  CheckStatus status = CheckStatus::kPassed;
  std::string message;  // what to mend, or why it was skipped
  double seconds = 0.0;
};

ROBOIMI_EXPORT CheckResult run_check(const std::string& name, const std::string& reason,
                                     const Subject& subject, const std::function<void()>& body);

template <typename Kind>
CheckResult run_check(const Check<Kind>& check, const std::type_identity_t<Kind>& subject) {
  return run_check(check.name, check.reason, subject, [&] { check.run(subject); });
}

}  // namespace roboimi::testing
