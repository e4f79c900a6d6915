// A target on another machine, reached with ssh. The program and the files that the runs need are
// sent there, named by their hashes. A supervisor there runs the queue without a connection.
// Internal to suite.
//
//   FOLDER/objects/KIND-HASH/              files that were sent, complete once they have this name
//   FOLDER/suites/SUITE-HASH/TARGET/       the work folder; see work_folder.h
#pragma once

#include "suite/ssh_connection.h"
#include "suite/target.h"
#include "suite/work_folder.h"

namespace roboimi {

struct Shipment;

class SshTarget final : public Target {
 public:
  SshTarget(TargetSpec spec, const std::filesystem::path& suite_folder);

  void launch(const LaunchOrder& order) override;
  void resume(const std::vector<std::string>& names) override;
  void stop(const std::vector<std::string>& names) override;
  std::vector<RunStatus> observe() override;
  void fetch(bool checkpoints) override;

 private:
  // The absolute path of the remote folder, which is created if it is missing.
  std::string remote_folder() const;
  // Sends what is missing there and returns the remote folders in order.
  std::vector<std::string> ship(const std::string& objects, const std::vector<Shipment>& shipments);
  // The job with remote paths in its config.
  LaunchJob relocated(LaunchJob job, const std::string& objects);
  // Runs `roboimi suite work WHAT FOLDER NAMES` there.
  std::string work(const std::string& what, const std::vector<std::string>& names) const;

  TargetSpec spec_;
  std::string suite_name_;  // of the remote work folder
  WorkFolder mirror_;       // here: the queue that was sent, and the files copied back
  SshConnection connection_;
};

}  // namespace roboimi
