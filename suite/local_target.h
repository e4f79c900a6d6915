// A target on this machine, with a supervisor process (supervisor.h). Internal to suite.
#pragma once

#include "suite/target.h"
#include "suite/work_folder.h"

namespace roboimi {

class LocalTarget final : public Target {
 public:
  LocalTarget(TargetSpec spec, const std::filesystem::path& suite_folder);

  void launch(const LaunchOrder& order) override;
  void resume(const std::vector<std::string>& names) override;
  void stop(const std::vector<std::string>& names) override;
  std::vector<RunStatus> observe() override;
  void fetch(bool) override {}

 private:
  TargetSpec spec_;
  std::filesystem::path suite_folder_;
  WorkFolder folder_;
};

}  // namespace roboimi
