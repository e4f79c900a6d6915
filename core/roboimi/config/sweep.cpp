// Implements expand_sweep(), which turns `a=1,2 b=x,y` into the overrides of each job.
#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/config/compose.h"

namespace roboimi {
namespace {

constexpr std::size_t kMostJobs = 10'000;

// Splits at commas outside of brackets, braces and quotes.
std::vector<std::string> split_choices(std::string_view text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  char quote = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char letter = text[at];
    if (quote != 0) {
      // A backslash is an escape only inside double quotes.
      if (letter == '\\' && quote == '"' && at + 1 < text.size()) {
        parts.back() += letter;
        parts.back() += text[++at];
        continue;
      }
      if (letter == quote) quote = 0;
    } else if (letter == '"' || letter == '\'') {
      // In YAML, a quote is special only at the start of a value, unlike an apostrophe in a word.
      if (parts.back().empty() || depth > 0) quote = letter;
    } else if (letter == '[' || letter == '{') {
      ++depth;
    } else if (letter == ']' || letter == '}') {
      --depth;
    } else if (letter == ',' && depth <= 0) {
      parts.emplace_back();
      continue;
    }
    parts.back() += letter;
  }
  return parts;
}

std::vector<std::string> alternatives(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return {text};
  std::vector<std::string> result;
  const std::vector<std::string> parts = split_choices(std::string_view(text).substr(equals + 1));
  for (const std::string& part : parts) {
    if (part.empty() && parts.size() > 1) {
      throw Error({.what = "an empty value in the sweep",
                   .where = "command line",
                   .expected = "KEY=A,B,C",
                   .found = "'" + printable(text) + "'",
                   .next = "write '' or null for an empty value"});
    }
    result.push_back(text.substr(0, equals + 1) + part);
  }
  return result;
}

}  // namespace

std::vector<std::vector<std::string>> expand_sweep(const std::vector<std::string>& overrides) {
  std::vector<std::vector<std::string>> jobs(1);
  for (const std::string& text : overrides) {
    const std::vector<std::string> choices = alternatives(text);
    if (jobs.size() * choices.size() > kMostJobs) {
      throw Error({.what = "the sweep is too large",
                   .where = "command line",
                   .expected = "at most " + std::to_string(kMostJobs) + " jobs"});
    }
    std::vector<std::vector<std::string>> longer;
    for (const auto& job : jobs) {
      for (const std::string& choice : choices) {
        longer.push_back(job);
        longer.back().push_back(choice);
      }
    }
    jobs = std::move(longer);
  }
  return jobs;
}

}  // namespace roboimi
