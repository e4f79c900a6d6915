#include "suite/target.h"

#include "suite/local_target.h"
#include "suite/slurm_target.h"
#include "suite/ssh_target.h"

namespace roboimi {

Target::~Target() = default;

std::filesystem::path target_folder(const std::filesystem::path& suite_folder,
                                    const std::string& target) {
  return std::filesystem::absolute(suite_folder) / "work" / target;
}

std::unique_ptr<Target> make_target(const TargetSpec& spec,
                                    const std::filesystem::path& suite_folder) {
  switch (spec.kind) {
    case TargetKind::kLocal:
      return std::make_unique<LocalTarget>(spec, suite_folder);
    case TargetKind::kSsh:
      return std::make_unique<SshTarget>(spec, suite_folder);
    case TargetKind::kSlurm:
      return std::make_unique<SlurmTarget>(spec, suite_folder);
  }
  return nullptr;
}

}  // namespace roboimi
