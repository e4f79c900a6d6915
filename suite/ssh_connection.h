// A machine behind ssh, by the system's own ssh and rsync.
//
//   SshConnection connection(target);
//   connection.run({"mkdir", "-p", "--", folder});
//   connection.send("/data/demos", {"a.hdf5", "b.hdf5"}, folder);
//
// Words arrive as they are: the remote shell sees each in single quotes, rsync sends paths beside
// its command line. Nothing asks for a password. Error: "unreachable", a host key that is not the
// known one, a refused login, a full disk there, or what the remote command said.
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

  // Its standard output.
  std::string run(const std::vector<std::string>& words) const;
  // Several commands, each ended by a newline, of words that are quoted where they must be.
  std::string run_script(const std::string& script) const;
  // Files by their paths below `base`, to the same paths below `folder`. What one of `alike`,
  // folders there, has at its path with the same contents is linked and not sent.
  void send(const std::filesystem::path& base, const std::vector<std::string>& files,
            const std::string& folder, const std::vector<std::string>& alike = {}) const;
  // What is below `folder` there, without what matches `excluded`, into `base`.
  void bring(const std::string& folder, const std::vector<std::string>& excluded,
             const std::filesystem::path& base) const;

 private:
  std::vector<std::string> ssh_words() const;
  std::vector<std::string> rsync_words() const;
  [[noreturn]] void fail(const std::string& what, const ProcessResult& result) const;

  TargetSpec target_;
};

}  // namespace roboimi
