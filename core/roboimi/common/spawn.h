// Classes that start a child process and connect it with pipes. Internal to common.
//
//   Pipe answers;
//   Spawn child;
//   child.give(answers.write_end(), STDOUT_FILENO);
//   const pid_t pid = child.start({"date", "-u"});
//   answers.close_write_end();
//
// A child inherits only the descriptors that it is given. Its signals are unblocked and have their
// default actions, with one exception: if this process ignores SIGHUP (nohup), so does the child,
// unless it starts a session.
#pragma once

#include <spawn.h>
#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace roboimi {

// A pipe that closes its ends when it is destroyed.
class Pipe {
 public:
  Pipe();  // throws Error if the process has no descriptors left
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_read_end() { close(ends_[0]); }
  void close_write_end() { close(ends_[1]); }
  // The caller must close the returned end.
  int release_read_end() { return release(ends_[0]); }
  int release_write_end() { return release(ends_[1]); }

 private:
  static void close(int& end);
  static int release(int& end);

  int ends_[2] = {-1, -1};
};

class Spawn {
 public:
  Spawn();
  ~Spawn();
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  // The child gets `descriptor` as number `as`.
  void give(int descriptor, int as);
  void open(const std::filesystem::path& file, int flags, int as);
  void change_directory(const std::filesystem::path& directory);
  // The child starts a new session, without a terminal.
  void start_session();

  // Starts the program, searched in PATH, with `added` in its environment. Throws Error if that
  // fails. Call it only once per object.
  pid_t start(const std::vector<std::string>& words,
              const std::map<std::string, std::string>& added = {});

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  sigset_t default_signals_;
  short flags_ = 0;
  int first_unused_ = 3;  // the child does not get this descriptor and higher ones
};

// write(2) without SIGPIPE: if the reader is gone, it only returns EPIPE. The program's own
// handling of SIGPIPE is unchanged.
ssize_t write_without_signal(int descriptor, const void* data, std::size_t size);

}  // namespace roboimi
