"""The environment of the experiments: program, work folder, remaining time, and processes that never outlive it."""

import contextlib
import ctypes
import os
import pathlib
import resource
import shlex
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MEMORY_BYTES = 2 * 2**30  # address space for reading a damaged file
CPU_SECONDS = 20  # using more CPU time counts as a hang
PR_SET_CHILD_SUBREAPER = 36
# Printed only by an uncaught exception or a failed assertion.
TRACES = ("terminate called", "Exception raised from", "frame #", "Assertion", "core dumped")


class OutOfTime(Exception):
    """Raised when the time from the command line has run out."""


class Ended:
    """The result of a process: status, output, CPU time and peak memory."""

    def __init__(self, words, status, out, err, seconds=0.0, peak_bytes=0):
        self.words, self.status, self.out, self.err = words, status, out, err
        self.seconds, self.peak_bytes = seconds, peak_bytes

    @property
    def signal_name(self):
        return signal.Signals(-self.status).name if self.status < 0 else ""

    @property
    def last_line(self):
        lines = (self.err or self.out).strip().splitlines()
        return lines[-1] if lines else ""

    def summary(self):
        """The exit status and the last line of output, in one line."""
        how = f"signal {self.signal_name}" if self.status < 0 else f"exit {self.status}"
        return f"{how}: {self.last_line[:300]}"

    def crash(self):
        """Why the process ended abnormally (signal, hang, memory, uncaught exception), or an empty string."""
        if self.status == -signal.SIGXCPU:
            return f"hangs: more than {CPU_SECONDS} s of CPU time"
        if self.status not in (0, 1):
            return f"ends with {self.summary()}"
        if self.peak_bytes > MEMORY_BYTES:
            return f"uses {self.peak_bytes >> 20} MiB of memory"
        return next((f"prints '{trace}'" for trace in TRACES if trace in self.err), "")

    def problem(self):
        """As crash(); a failed command must also print exactly one error line."""
        errors = [line for line in self.err.splitlines() if line.startswith("roboimi ")]
        if not self.crash() and self.status == 1 and len(errors) != 1:
            return f"fails with {len(errors)} error lines instead of one: {self.err.strip()[-300:]!r}"
        return self.crash()


class Running:
    """A process in its own session, so that its child processes can be ended with it."""

    def __init__(self, lab, words, process, logs):
        self.lab, self.words, self.process, self._logs = lab, words, process, logs

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        # Popen.poll would reap the process, and wait() could not read its status anymore.
        return self.process.returncode is None and not os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    def kill(self, whole_group=True):
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(self.pid, signal.SIGKILL)

    def proc(self):
        return pathlib.Path("/proc") / str(self.pid)

    def wait(self, seconds=120):
        """Waits and returns Ended. A process that takes longer than `seconds` of wall time is killed by SIGKILL."""
        until = min(time.monotonic() + seconds, self.lab.deadline)
        while True:
            # os.wait4 also reports the memory use, which Popen.wait does not.
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > until:
                self.kill()
                if time.monotonic() > self.lab.deadline:
                    self.process.returncode = os.waitstatus_to_exitcode(os.wait4(self.pid, 0)[1])
                    raise OutOfTime
            time.sleep(0.002)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        out, err = (log.read_text(errors="replace") for log in self._logs)
        return Ended(self.words, self.process.returncode, out, err, usage.ru_utime + usage.ru_stime,
                     usage.ru_maxrss * 1024)


class Lab:
    """Starts processes of the program in a clean environment and ends them all."""

    def __init__(self, program, work, seconds, seed):
        self.program, self.work, self.seed = program, work, seed
        self.deadline = time.monotonic() + seconds
        self._running = []
        self._count = 0
        for name in ("home", "logs"):
            (work / name).mkdir(parents=True, exist_ok=True)
        ignored = ("ROBOIMI_PLUGIN_PATH", "ROBOIMI_CONFIG_PATH")
        self.environment = {name: value for name, value in os.environ.items() if name not in ignored}
        self.environment.update(HOME=str(work / "home"), XDG_CACHE_HOME=str(work / "home/.cache"), OMP_NUM_THREADS="1")
        # Orphaned processes become children of this process, which can then reap them.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def seconds_left(self):
        return self.deadline - time.monotonic()

    def start(self, *words, limits=(), cwd=None, prepare=None):
        """Starts the program and returns Running. `limits` are (resource, value); the child calls `prepare` before exec."""
        if self.seconds_left() < 0:
            raise OutOfTime
        self._count += 1
        logs = [self.work / "logs" / f"{self._count}.{stream}" for stream in ("out", "err")]

        def before_exec():
            for name, value in limits:
                resource.setrlimit(name, (value, value))
            if prepare:
                prepare()

        words = [str(self.program), *map(str, words)]
        with open(logs[0], "wb") as out, open(logs[1], "wb") as err:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd or self.work,
                                       env=self.environment, start_new_session=True, preexec_fn=before_exec)
        running = Running(self, words, process, logs)
        self._running.append(running)
        return running

    def run(self, *words, seconds=120, **options):
        return self.start(*words, **options).wait(seconds)

    def read(self, *words, **options):
        """Runs a command that reads a damaged file, with limits on CPU time and memory."""
        limits = [(resource.RLIMIT_CPU, CPU_SECONDS), (resource.RLIMIT_AS, MEMORY_BYTES)]
        return self.run(*words, limits=limits, **options)

    def must(self, *words, **options):
        """Runs a command that prepares an experiment and must succeed."""
        ended = self.run(*words, **options)
        if ended.status != 0:
            raise RuntimeError(f"{shlex.join(ended.words)}\n{ended.summary()}")
        return ended

    def seconds_of(self, *words):
        """The wall time of a command that must succeed."""
        began = time.monotonic()
        self.must(*words)
        return time.monotonic() - began

    def end_all(self):
        """Ends every process that was started here, with its children, and deletes the logs."""
        for running in self._running:
            running.kill()
            if running.process.returncode is None:
                running.process.returncode = os.waitstatus_to_exitcode(os.waitpid(running.pid, 0)[1])
        self._running.clear()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        for log in (self.work / "logs").iterdir():
            log.unlink()
