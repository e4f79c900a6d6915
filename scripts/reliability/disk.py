"""Experiments with a full disk: a small file system in memory, or a limit on the file size."""

import os
import resource
import shutil
import subprocess

import runs
from experiment import Experiment, Skip


class SmallDisk:
    """A tmpfs whose size can be changed. Only root can mount one."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        if os.geteuid() != 0:
            raise Skip("only root can mount a small file system")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True)
        if mounted.returncode != 0:
            raise Skip(f"cannot mount a small file system: {mounted.stderr.decode().strip()}")

    def resize(self, kilobytes):
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", self.folder], check=True)

    def empty(self):
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def close(self):
        subprocess.run(["umount", "-l", self.folder], check=True)


def kilobytes_of(folder):
    return sum(os.lstat(path).st_blocks for path in folder.rglob("*")) // 2


class DiskExperiment(Experiment):
    """Base class: runs each kind of command while its writes fail, and again afterwards."""

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.data = runs.write_data(folder / "data")
        reference = folder / "reference"
        self.jobs = {"run": runs.training(self.data, "{}/runs"), "collect": runs.collection("{}/data"),
                     "encode": runs.encoding(self.data, "{}"), "eval": None}
        for job, words in self.jobs.items():
            if words is not None:
                lab.must(*self.words(job, reference / job))
        self.run = runs.only_run(reference / "run/runs")
        self.jobs["eval"] = ["eval", "--checkpoint", self.run, "--episodes", "1", "--video", "1", "--workers", "1",
                             "--output", "{}/evaluation", "env.max_steps=10"]
        lab.must(*self.words("eval", reference / "eval"))
        self.need = {job: kilobytes_of(reference / job) for job in self.jobs}
        self.reference = reference
        self.failed = 0

    def words(self, job, place):
        return [str(word).format(place) for word in self.jobs[job]]

    def trial(self, number, rng, folder):
        job = list(self.jobs)[number % len(self.jobs)]
        return self.one(job, rng, folder)

    def check(self, job, ended, place):
        """Checks a command whose writes failed: a clear error, and no half-written file under a final name."""
        if ended.status == 0:
            return
        self.failed += 1
        if ended.problem() or not any(word in ended.last_line for word in ("disk is full", "No space", "size limit")):
            yield f"{job}: no clear error: {ended.problem() or ended.summary()}"
        reference = runs.files_below(self.reference / job)
        for name, data in runs.files_below(place).items() if place.exists() else ():
            hidden = any(part.startswith(".") for part in name.split("/"))
            if not hidden and name.endswith((".hdf5", ".mp4", ".png")) and reference.get(name) not in (None, data):
                yield f"{job}: {name} is half-written"
        for checkpoint in place.glob("runs/*/checkpoints/step_*/*.safetensors"):
            try:
                runs.read_tensors(checkpoint)
            except (ValueError, OSError) as error:
                yield f"{job}: {checkpoint.relative_to(place)} is half-written: {error}"

    def check_second(self, job, place):
        """Checks that the command finishes once there is space again."""
        words = self.words(job, place)
        run = runs.only_run(place / "runs")
        if job == "run" and run and runs.whole_checkpoints(run):
            words = ["run", "--resume", run]
        elif job == "run":
            shutil.rmtree(place / "runs", ignore_errors=True)
        if job == "eval":
            shutil.rmtree(place / "evaluation", ignore_errors=True)
        ended = self.lab.run(*words)
        if ended.status != 0:
            yield f"{job}: with space again: {ended.summary()}"
        elif job == "run":
            yield from (f"{job}: {text}" for text in runs.run_differences(self.run, runs.only_run(place / "runs")))
        elif job != "eval":
            yield from (f"{job}: {text}" for text in runs.file_differences(self.reference / job, place))

    def note(self):
        return f"{self.failed} commands ran out of space"


class DiskFull(DiskExperiment):
    """Training, collection, cache and evaluation on a file system that is too small."""

    name = "disk_full"
    share = 2.0

    def __init__(self, lab, folder):
        self.disk = SmallDisk(folder / "disk")
        try:
            super().__init__(lab, folder)
        except BaseException:
            self.disk.close()
            raise

    def one(self, job, rng, folder):
        self.disk.empty()
        self.disk.resize(max(16, int(self.need[job] * rng.uniform(0.05, 1.0))))
        place = self.disk.folder / "place"
        ended = self.lab.run(*self.words(job, place))
        yield from self.check(job, ended, place)
        self.disk.resize(65536)
        yield from self.check_second(job, place)

    def close(self):
        self.lab.end_all()
        self.disk.close()


class FileLimit(DiskExperiment):
    """The same commands with a limit on the file size, as set by `ulimit -f`."""

    name = "file_limit"
    share = 1.5

    def one(self, job, rng, folder):
        largest = max(path.stat().st_size for path in (self.reference / job).rglob("*") if path.is_file())
        # The limit also applies to the file that receives the command's log.
        limit = max(8192, int(largest * rng.uniform(0.02, 1.0)))
        ended = self.lab.run(*self.words(job, folder), limits=[(resource.RLIMIT_FSIZE, limit)])
        yield from self.check(job, ended, folder)
        yield from self.check_second(job, folder)
