#include "plugins/nccl_communicator/failure.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <initializer_list>

#include "roboimi/common/error.h"

namespace roboimi::nccl_communicator {
namespace {

// The text without a backtrace, in one line.
std::string text_of(const std::exception& cause) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&cause);
  std::string text = of_torch != nullptr ? of_torch->what_without_backtrace() : cause.what();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

bool contains_any(const std::string& text, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const char* part) { return text.find(part) != std::string::npos; });
}

}  // namespace

void throw_failure(const std::exception& cause, const std::string& action,
                   const std::string& where) {
  if (const auto* error = dynamic_cast<const Error*>(&cause)) throw *error;
  const std::string text = text_of(cause);
  if (contains_any(text, {"Duplicate GPU"})) {
    throw Error({.what = "two processes of this training use the same GPU",
                 .where = where,
                 .expected = "one GPU per process",
                 .found = text,
                 .next = "set device=cuda, which gives each process the GPU of its local rank, and "
                         "start at most one process per GPU"});
  }
  if (contains_any(text, {"Connection closed", "Connection reset", "Broken pipe",
                          "Connection refused", "remote process exited"})) {
    throw Error({.what = "another process of this training has ended or cannot be reached",
                 .where = where,
                 .found = text,
                 .next = "see the error of that process, which explains why it ended"});
  }
  if (contains_any(text, {"imed out", "imeout"})) {
    throw Error({.what = "another process of this training did not answer in time",
                 .where = where,
                 .found = text,
                 .next = "see what that process is doing; if its work takes longer, increase "
                         "communicator.timeout"});
  }
  throw Error({.what = "failed to " + action,
               .where = where,
               .found = text,
               .next = "see the messages of the other processes"});
}

}  // namespace roboimi::nccl_communicator
