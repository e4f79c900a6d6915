#include "roboimi/common/write_advice.h"

#include <cerrno>

namespace roboimi {

std::string write_advice(int error) {
  switch (error) {
    case ENOSPC:
      return "the disk is full: free some space and try again";
    case EDQUOT:
      return "the disk quota is used up: free some space and try again";
    case EFBIG:
      return "the file would exceed the size limit of this process (ulimit -f)";
    case EACCES:
    case EPERM:
      return "check the permissions of the folder";
    case EROFS:
      return "the file system is mounted read-only: choose another folder";
    default:
      return "";
  }
}

}  // namespace roboimi
