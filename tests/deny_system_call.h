// Makes a system call fail in this process, as on a file system that does not support it. This
// cannot be undone, so use it only in the body of EXPECT_EXIT, which runs in its own process.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdlib>

namespace roboimi::testing {

template <std::size_t Length>
void filter_system_calls(sock_filter (&filter)[Length]) {
  const sock_fprog program{.len = Length, .filter = filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::_Exit(125);
  }
}

inline void deny_system_call(long number, int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  filter_system_calls(filter);
}

// Denies shared mappings, as some network file systems do.
inline void deny_shared_mappings(int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[3])),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, MAP_TYPE),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAP_SHARED, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  filter_system_calls(filter);
}

// Denies symlink(2), under both system call numbers that the C library may use.
inline void deny_links(int error) {
#ifdef SYS_symlink
  deny_system_call(SYS_symlink, error);
#endif
  deny_system_call(SYS_symlinkat, error);
}

}  // namespace roboimi::testing
