"""Stops a program at its system calls, so that it can be killed at an exact point.

SIGKILL at a random instant rarely hits the few microseconds between two renames. Under ptrace, the process stops before
each system call of its main thread, and can be killed before any call that changes a file of interest.
"""

import ctypes
import os
import platform
import re
import signal
import threading

PTRACE_TRACEME, PTRACE_SETOPTIONS, PTRACE_SYSCALL, PTRACE_GET_SYSCALL_INFO = 0, 0x4200, 24, 0x420E
PTRACE_O_TRACESYSGOOD, PTRACE_O_EXITKILL = 1, 0x100000
SYSCALL_STOP = signal.SIGTRAP | 0x80
ENTRY = 1
AT_FDCWD = -100
O_CREAT = 0o100

# Columns: name, number on x86_64, number on aarch64, index of the argument with the folder's descriptor (None: no such
# argument), index of the argument with the path (None: the descriptor is the file). A rename is listed with its target.
CALLS = [("write", 1, 64, 0, None), ("pwrite64", 18, 68, 0, None), ("writev", 20, 66, 0, None),
         ("fsync", 74, 82, 0, None), ("fdatasync", 75, 83, 0, None), ("ftruncate", 77, 46, 0, None),
         ("rename", 82, None, None, 1), ("mkdir", 83, None, None, 0), ("rmdir", 84, None, None, 0),
         ("unlink", 87, None, None, 0), ("symlink", 88, None, None, 1), ("openat", 257, 56, 0, 1),
         ("mkdirat", 258, 34, 0, 1), ("unlinkat", 263, 35, 0, 1), ("renameat", 264, 38, 2, 3),
         ("symlinkat", 266, 36, 1, 2), ("renameat2", 316, 276, 2, 3)]
COLUMN = {"x86_64": 1, "aarch64": 2}.get(platform.machine())
BY_NUMBER = {call[COLUMN]: call for call in CALLS if call[COLUMN] is not None} if COLUMN else {}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class SyscallInfo(ctypes.Structure):
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32),
                ("instruction", ctypes.c_uint64), ("stack", ctypes.c_uint64), ("number", ctypes.c_uint64),
                ("arguments", ctypes.c_uint64 * 6), ("rest", ctypes.c_uint64)]


def shape_of(path):
    """The path without numbers and random suffixes, so that it is the same in all steps and processes."""
    return re.sub(r"[0-9]+", "N", re.sub(r"\.tmp[\w-]+", ".tmp", path))


class Call:
    """A system call that changes a file: the call's name, and the file's path relative to the folder of interest."""

    def __init__(self, name, path):
        self.name, self.path = name, path
        self.kind = (name, shape_of(path))

    def __str__(self):
        return f"{self.name} {self.path}"


def _string_at(memory, address):
    """The string at an address of the traced process."""
    memory.seek(address)
    text = b""
    while b"\0" not in text and len(text) < 4096:
        text += memory.read(256)
    return text.split(b"\0")[0].decode(errors="replace")


def _descriptor_path(pid, descriptor):
    try:
        return os.readlink(f"/proc/{pid}/fd/{descriptor}")
    except OSError:
        return ""


def _path_of(pid, memory, info, folder_argument, path_argument):
    number = ctypes.c_int(info.arguments[folder_argument] & 0xFFFFFFFF).value if folder_argument is not None else AT_FDCWD
    if path_argument is None:
        return _descriptor_path(pid, number)
    try:
        path = _string_at(memory, info.arguments[path_argument])
    except (OSError, ValueError, OverflowError):
        return ""
    folder = os.readlink(f"/proc/{pid}/cwd") if number == AT_FDCWD else _descriptor_path(pid, number)
    return os.path.join(folder, path)


def _changes(pid, memory, info, folder):
    """The Call if the process is about to change a file under `folder`; otherwise None."""
    found = BY_NUMBER.get(info.number)
    if found is None or (found[0] == "openat" and not info.arguments[2] & O_CREAT):
        return None
    path = _path_of(pid, memory, info, found[3], found[4])
    return Call(found[0], os.path.relpath(path, folder)) if path.startswith(str(folder) + "/") else None


def available():
    """Whether processes can be traced here. Containers may forbid it."""
    if COLUMN is None:
        return False
    child = os.fork()
    if child == 0:
        os._exit(libc.ptrace(PTRACE_TRACEME, 0, None, None) != 0)
    return os.waitpid(child, 0)[1] == 0


def trace(lab, words, folder, stop, seconds=120, **options):
    """Runs the program and calls `stop(call)` before each Call under `folder`. If it returns true, kills the program there.

    Returns (Ended, calls). If the program was killed, the last call was not executed.
    """
    running = lab.start(*words, prepare=lambda: libc.ptrace(PTRACE_TRACEME, 0, None, None), **options)
    pid, calls, delivered = running.pid, [], 0
    os.waitpid(pid, 0)  # the stop at exec
    libc.ptrace(PTRACE_SETOPTIONS, pid, None, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)
    info = SyscallInfo()
    watchdog = threading.Timer(min(seconds, lab.seconds_left()), running.kill)
    watchdog.start()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        while True:
            libc.ptrace(PTRACE_SYSCALL, pid, None, delivered)
            # Do not reap the process here: Running.wait does that and reads the resource usage.
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
            if ended.si_code not in (os.CLD_TRAPPED, os.CLD_STOPPED):
                break
            os.waitpid(pid, 0)
            delivered = 0
            if ended.si_status != SYSCALL_STOP:
                delivered = ended.si_status
                continue
            libc.ptrace(PTRACE_GET_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
            call = _changes(pid, memory, info, folder) if info.op == ENTRY else None
            if call is None:
                continue
            calls.append(call)
            if stop(call):
                running.kill()
                break
    watchdog.cancel()
    return running.wait(), calls
