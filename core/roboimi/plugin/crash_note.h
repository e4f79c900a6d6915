// A scope guard that prints the name of a plugin's file to stderr if opening it crashes the
// process.
//
//   const CrashNote note("the plugin /p/libmine.so crashed the process while it was opened");
//   open_plugin(file, fingerprint);
//
// A crash in a static initializer, or a damaged library without a checksum, ends the process inside
// dlopen. While a CrashNote exists, handlers of SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT write
// its text and pass the signal on to the previous handler. Internal; not installed.
#pragma once

#include <string>

namespace roboimi {

class CrashNote {
 public:
  // One at a time, ensured by the registry's mutex. A nested one has no effect.
  explicit CrashNote(const std::string& text);
  ~CrashNote();
  CrashNote(const CrashNote&) = delete;
  CrashNote& operator=(const CrashNote&) = delete;

 private:
  bool is_active_;
};

}  // namespace roboimi
