#include "roboimi/testing/check.h"

#include <fmt/format.h>

#include <chrono>

#include "roboimi/common/error.h"

namespace roboimi::testing {

Subject::~Subject() = default;
CheckFailure::~CheckFailure() = default;
CheckSkipped::~CheckSkipped() = default;

void require(bool holds, const std::string& mend) {
  if (!holds) throw CheckFailure(mend);
}

void skip(const std::string& reason) { throw CheckSkipped(reason); }

void require_error(const std::string& what, const std::vector<std::string>& words,
                   const std::function<void()>& call) {
  std::string text;
  try {
    call();
  } catch (const Error& error) {
    text = error.what();
  } catch (const std::exception& error) {
    throw CheckFailure(
        fmt::format("{} causes an exception that is not a roboimi::Error ({}); check the argument "
                    "first and throw a roboimi::Error that states what was expected",
                    what, one_line_message(error)));
  }
  require(!text.empty(), fmt::format("{} is accepted; throw a roboimi::Error", what));
  for (const std::string& word : words) {
    require(text.find(word) != std::string::npos,
            fmt::format("the error for {} does not name '{}'; it is: {}", what, word, text));
  }
}

const char* to_string(CheckStatus status) {
  switch (status) {
    case CheckStatus::kPassed:
      return "passed";
    case CheckStatus::kFailed:
      return "failed";
    case CheckStatus::kSkipped:
      return "skipped";
  }
  return "";
}

CheckResult run_check(const std::string& name, const std::string& reason, const Subject& subject,
                      const std::function<void()>& body) {
  CheckResult result{.check = name, .reason = reason};
  // Skip it if the subject wants that.
  const auto skipped = subject.skipped();
  if (const auto found = skipped.find(name); found != skipped.end()) {
    result.status = CheckStatus::kSkipped;
    result.message = found->second;
    return result;
  }
  // Run it.
  const auto start = std::chrono::steady_clock::now();
  try {
    body();
  } catch (const CheckSkipped& skipped_check) {
    result.status = CheckStatus::kSkipped;
    result.message = skipped_check.what();
  } catch (const CheckFailure& failure) {
    result.status = CheckStatus::kFailed;
    result.message = failure.what();
  } catch (const std::exception& error) {
    result.status = CheckStatus::kFailed;
    result.message = "unexpected exception: " + one_line_message(error);
  } catch (...) {
    result.status = CheckStatus::kFailed;
    result.message = "threw something that is not a std::exception";
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace roboimi::testing
