// For builds against a libtorch without CUDA, or without NCCL's header.
#include "plugins/nccl_communicator/backends.h"
#include "roboimi/common/error.h"

namespace roboimi::nccl_communicator {

std::string why_no_nccl() { return ROBOIMI_WHY_NO_NCCL; }

c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>&, const Launch&,
                                            std::chrono::milliseconds) {
  ROBOIMI_CHECK(false, "NCCL in a build without it");
}

}  // namespace roboimi::nccl_communicator
