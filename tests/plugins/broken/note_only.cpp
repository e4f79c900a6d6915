// Libraries with a note and nothing else. If a library is opened although its note is wrong, the
// constructor below aborts the process. A test that continues thus shows that it was not opened.
#include <cstdlib>

#include "roboimi/plugin/fingerprint.h"

namespace {

constexpr roboimi::PluginNote altered() {
  roboimi::PluginNote note = roboimi::detail::make_plugin_note("note_only", "1.0.0");
#if defined(WRONG_MAGIC)
  note.content.magic[0] = 'X';
#elif defined(OLDER_API)
  note.content.api_version = roboimi::kPluginApiVersion - 1;
#elif defined(NEWER_API)
  note.content.api_version = roboimi::kPluginApiVersion + 1;
#elif defined(WRONG_NOTE_SIZE)
  note.content.size = sizeof(roboimi::Fingerprint) + 16;
#elif defined(SHORT_NOTE)
  note.content_size = 12;
#elif defined(OTHER_LIBTORCH)
  roboimi::detail::set_text(note.content.torch_version, "2.1.0");
#elif defined(OTHER_CXX_ABI)
  roboimi::detail::set_text(note.content.cxx_abi, "libstdc++ cxx11 0");
#elif defined(NO_NAME)
  note.content.plugin_name[0] = '\0';
#endif
  return note;
}

[[gnu::section(".note.roboimi"), gnu::used, gnu::aligned(4)]] constexpr roboimi::PluginNote kNote =
    altered();

}  // namespace

#if !defined(MISSING_DESCRIPTOR)
[[gnu::constructor]] static void must_not_be_opened() { std::abort(); }
#endif
