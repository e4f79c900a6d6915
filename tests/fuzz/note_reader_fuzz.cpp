// Fuzzes the reader of plugin notes: it must stay within the input and always report what is wrong.
#include <cstdlib>

#include "roboimi/plugin/fingerprint.h"
#include "roboimi/plugin/note_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  roboimi::Error::Parts problem;
  const auto content = roboimi::find_plugin_note({data, size}, problem);
  if (!content) {
    if (problem.what.empty()) std::abort();
    return 0;
  }
  if (content->data() < data || content->data() + content->size() > data + size) std::abort();
  const auto& host = roboimi::host_fingerprint();
  if (!roboimi::check_fingerprint(*content, host, problem) && problem.what.empty()) std::abort();
  return 0;
}
