// A connection to another machine with the system's ssh and rsync.
//
//   SshConnection connection(target);
//   connection.run({"mkdir", "-p", "--", folder});
//   connection.send("/data/demos", {"a.hdf5", "b.hdf5"}, folder);
//
// Words arrive unchanged: the remote shell receives each in single quotes, and rsync sends paths
// separately from its command line. Nothing asks for a password. Throws Error if the machine is
// unreachable, its host key differs from the known one, the login is rejected, its disk is full, or
// the remote command fails.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/common/processes.h"
#include "suite/suite_file.h"

namespace roboimi {

class ROBOIMI_EXPORT SshConnection {
 public:
  explicit SshConnection(TargetSpec target) : target_(std::move(target)) {}

  // Runs a command and returns its standard output.
  std::string run(const std::vector<std::string>& words) const;
  // Runs several commands, one per line, whose words are already quoted.
  std::string run_script(const std::string& script) const;
  // Sends files from their paths below `base` to the same paths below `folder`. A file that one of
  // the remote folders `alike` has with the same path and contents is linked instead.
  void send(const std::filesystem::path& base, const std::vector<std::string>& files,
            const std::string& folder, const std::vector<std::string>& alike = {}) const;
  // Copies the remote `folder` without what matches `excluded` into `base`.
  void bring(const std::string& folder, const std::vector<std::string>& excluded,
             const std::filesystem::path& base) const;

 private:
  std::vector<std::string> ssh_words() const;
  std::vector<std::string> rsync_words() const;
  [[noreturn]] void fail(const std::string& what, const ProcessResult& result) const;

  TargetSpec target_;
};

}  // namespace roboimi
