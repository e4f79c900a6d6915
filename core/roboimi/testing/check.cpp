#include "roboimi/testing/check.h"

#include <fmt/format.h>

#include <chrono>

#include "roboimi/common/error.h"

namespace roboimi::testing {

Subject::~Subject() = default;
CheckFailure::~CheckFailure() = default;
CheckSkipped::~CheckSkipped() = default;

void require(bool holds, const std::string& message) {
  if (!holds) throw CheckFailure(message);
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

std::string current_check_name(const std::string& name) {
  static const std::map<std::string, std::string> renamed = {
      {"saves_and_loads_to_the_bit", "saving_and_loading_is_exact"},
      {"gives_what_it_declares", "output_fits_the_declaration"},
      {"a_latency_is_granted_whole", "chunks_start_after_their_latency"},
      {"texts_and_votes_arrive", "strings_and_votes_are_shared"},
      {"what_is_not_there_is_refused", "missing_streams_and_rows_are_refused"},
      {"what_is_no_episode_is_refused", "other_files_are_refused"},
      {"what_was_written_has_its_header", "the_header_is_read_back"},
      {"mapped_frames_are_the_decoded", "mapped_frames_equal_decoded_frames"},
      {"plans_may_be_one_batch", "batched_plans_equal_single_plans"},
      {"batch_neighbours_do_not_matter", "frames_are_encoded_independently"},
      {"looking_changes_nothing", "rendering_changes_nothing"},
      {"draws_any_size", "renders_any_size"},
      {"everyone_gets_the_roots_values", "broadcast_copies_the_root"},
      {"means_have_the_whole_batchs_gradient", "the_average_has_the_gradient_of_the_whole_batch"},
      {"a_deadline_changes_no_command_in_time", "a_met_deadline_changes_no_command"},
  };
  const auto found = renamed.find(name);
  return found == renamed.end() ? name : found->second;
}

CheckResult run_check(const std::string& name, const std::string& reason, const Subject& subject,
                      const std::function<void()>& body) {
  CheckResult result{.check = name, .reason = reason};
  // Skip it if the subject wants that.
  for (const auto& [skipped, why] : subject.skipped()) {
    if (current_check_name(skipped) != name) continue;
    result.status = CheckStatus::kSkipped;
    result.message = why;
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
