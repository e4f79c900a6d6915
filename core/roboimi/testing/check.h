// The conformance kit: named checks of the contract that every component of a kind must fulfill.
//
// A plugin's author can run them in two ways. Without writing any code:
//
//   roboimi plugins check libmy_backbone.so --config options.yaml
//
// or with GoogleTest, one class that makes the component and one line (testing/conformance.h).
//
// A check passes if it returns, and fails through require(), whose message describes what to fix.
// Checks of features that a component does not have (a frozen backbone has no gradients) call
// skip().
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

// Creates the component under test; each kind has its own subclass. skipped() maps the names of
// checks that are not run to the reasons. Names of earlier versions are also accepted.
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

// Fails the check unless `holds`. `message`: what is wrong and how to fix it.
ROBOIMI_EXPORT void require(bool holds, const std::string& message);
[[noreturn]] ROBOIMI_EXPORT void skip(const std::string& reason);

// Fails unless `call` throws a roboimi::Error whose message contains all of `words`; `what` names
// the deliberate mistake. Other exceptions also fail, because they do not help a user.
ROBOIMI_EXPORT void require_error(const std::string& what, const std::vector<std::string>& words,
                                  const std::function<void()>& call);

enum class CheckStatus { kPassed, kFailed, kSkipped };
// "passed", "failed", "skipped".
ROBOIMI_EXPORT const char* to_string(CheckStatus status);

struct CheckResult {
  std::string check, reason;
  CheckStatus status = CheckStatus::kPassed;
  std::string message;  // what to fix, or why the check was skipped
  double seconds = 0.0;
};

// The present name of a check that had the name `name` in an earlier version. Any other name is
// returned unchanged.
ROBOIMI_EXPORT std::string current_check_name(const std::string& name);

ROBOIMI_EXPORT CheckResult run_check(const std::string& name, const std::string& reason,
                                     const Subject& subject, const std::function<void()>& body);

template <typename Kind>
CheckResult run_check(const Check<Kind>& check, const std::type_identity_t<Kind>& subject) {
  return run_check(check.name, check.reason, subject, [&] { check.run(subject); });
}

}  // namespace roboimi::testing
