// A machine behind ssh: the program and the files that the runs name are sent there under names
// made of their contents, and a supervisor there runs the queue, whether or not anybody is
// connected. Internal to suite.
//
//   FOLDER/objects/KIND-HASH/              what was sent, whole once it has this name
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
  // The remote folder's absolute path, made where it is missing.
  std::string remote_folder() const;
  // Sends what is not there; the folders there, in order.
  std::vector<std::string> ship(const std::string& objects, const std::vector<Shipment>& shipments);
  // `config` with the files there in place of those here.
  LaunchJob relocated(LaunchJob job, const std::string& objects);
  // roboimi suite work WHAT FOLDER NAMES there.
  std::string work(const std::string& what, const std::vector<std::string>& names) const;

  TargetSpec spec_;
  std::string suite_name_;  // of the work folder there
  WorkFolder mirror_;       // here: the queue as it was sent, and what was brought back
  SshConnection connection_;
};

}  // namespace roboimi
