// Names a plugin's file on stderr when opening it crashes the process.
//
//   const CrashNote note("the plugin /p/libmine.so ended the process while it was opened");
//   open_plugin(file, fingerprint);
//
// A static initializer that crashes, or a damaged library without a checksum, ends the process
// inside dlopen. While a note exists, the handlers of SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT
// write it and pass the signal on to the handler that was there before. Not installed API.
#pragma once

#include <string>

namespace roboimi {

class CrashNote {
 public:
  // One at a time; the registry's mutex sees to it. A second one inside the first has no effect.
  explicit CrashNote(const std::string& text);
  ~CrashNote();
  CrashNote(const CrashNote&) = delete;
  CrashNote& operator=(const CrashNote&) = delete;

 private:
  bool is_active_;
};

}  // namespace roboimi
