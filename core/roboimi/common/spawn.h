// The start of a child process, and pipes to it. Internal to common.
//
//   Pipe answers;
//   Spawn child;
//   child.give(answers.write_end(), STDOUT_FILENO);
//   const pid_t pid = child.start({"date", "-u"});
//   answers.close_write_end();
//
// A child gets the descriptors that it is given and no others, no blocked signal, and the default
// action of every signal, with one exception: a hangup that this process ignores (nohup) is ignored
// by the child as well, unless it starts a session.
#pragma once

#include <spawn.h>
#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace roboimi {

// A pipe whose ends are closed with it.
class Pipe {
 public:
  Pipe();  // Error when the process has no descriptors left
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_read_end() { close(ends_[0]); }
  void close_write_end() { close(ends_[1]); }
  // From now on the caller's to close.
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

  // The child has `descriptor` as number `as`.
  void give(int descriptor, int as);
  void open(const std::filesystem::path& file, int flags, int as);
  void change_directory(const std::filesystem::path& directory);
  // A session of its own, without a terminal.
  void start_session();

  // Starts the program, which is found by PATH, with `added` in its environment. Error when that
  // fails. Once for each object.
  pid_t start(const std::vector<std::string>& words,
              const std::map<std::string, std::string>& added = {});

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  sigset_t default_signals_;
  short flags_ = 0;
  int first_unused_ = 3;  // descriptors from here on are not the child's
};

// write(2), but a reader that is gone gives EPIPE alone: no SIGPIPE, and the host program's own
// handling of that signal stays as it is.
ssize_t write_without_signal(int descriptor, const void* data, std::size_t size);

}  // namespace roboimi
