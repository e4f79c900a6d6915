"""Experiments with moved runs (archives, missing data and encoder), and with a long run."""

import os
import shutil
import statistics
import time
import zipfile

import runs
from experiment import Experiment, Skip


class Moved(Experiment):
    """A run that is zipped, copied without links, or renamed, after its data and its encoder's file were removed."""

    name = "moved"
    share = 1.5
    cases = ["zipped", "copied without links", "renamed"]
    count = 3

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.data = runs.write_data(folder / "data")
        words = runs.camera_training(self.data, folder / "whole", steps=4)
        lab.must(*words)
        lab.must("run", "--resume", runs.only_run(folder / "whole"), "train.max_steps=8")
        self.reference = runs.only_run(folder / "whole")

    def trial(self, number, rng, folder):
        case = self.cases[number]
        data, encoder = folder / "data", folder / "encoder.safetensors"
        shutil.copytree(self.data, data, ignore=shutil.ignore_patterns(".roboimi_cache"))
        shutil.copy(runs.ENCODER, encoder)
        self.lab.must(*runs.camera_training(data, folder / "here", encoder, steps=4))
        run = self._move(case, runs.only_run(folder / "here"), folder / "there")
        data = data.rename(folder / "other_data")
        encoder.unlink()
        ended = self.lab.run("eval", "--open-loop", "--checkpoint", run, "--data", data, "--device", "cpu")
        if ended.status != 0:
            yield f"{case}: open loop: {ended.summary()}"
        ended = self.lab.run("run", "--resume", run, "train.max_steps=8")
        if ended.status != 1 or ended.problem() or "data.path" not in ended.last_line:
            yield f"{case}: the data is gone, and the error does not name data.path: {ended.summary()}"
        ended = self.lab.run("run", "--resume", run, "train.max_steps=8", f"data.path={data}")
        if ended.status != 0:
            yield f"{case}: resume: {ended.summary()}"
            return
        last = runs.whole_checkpoints(run)[-1]
        for text in runs.tensor_differences(self.reference / "checkpoints" / last.name, last):
            yield f"{case}: {text}"
        for text in runs.metrics_differences(*(runs.read_metrics(path / "metrics.jsonl") for path in (self.reference, run))):
            yield f"{case}: {text}"

    def _move(self, case, run, place):
        place.mkdir()
        if case == "renamed":
            return run.rename(place / "run")
        if case == "copied without links":
            shutil.copytree(run, place / "run")
            shutil.rmtree(run)
            return place / "run"
        with zipfile.ZipFile(place / "run.zip", "w") as archive:
            # Follow links, as zip does.
            for file in sorted(run.glob("**/*")) + sorted(run.glob("checkpoints/*/*")):
                if file.is_file() and str(file.relative_to(run)) not in archive.namelist():
                    archive.write(file, file.relative_to(run))
        with zipfile.ZipFile(place / "run.zip") as archive:
            archive.extractall(place / "run")
        shutil.rmtree(run)
        return place / "run"


class Soak(Experiment):
    """A training of several thousand steps, during which memory and open files must not grow."""

    name = "soak"
    share = 1.5
    count = 1
    steps = 4000
    max_growth = 8 * 2**20  # bytes, in the second half

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.data = runs.write_data(folder / "data")
        self.growth = self.files = 0
        self.reached = 0

    def trial(self, number, rng, folder):
        running = self.lab.start(*runs.training(self.data, folder, self.steps), "train.log_every=10",
                                 "train.save_every=50", "train.rollout_every=500")
        samples = []  # (steps done, bytes resident, open files)
        while running.alive():
            sample = self._sample(running, folder)
            if sample:
                samples.append(sample)
            time.sleep(0.05)
        ended = running.wait()
        if ended.status != 0:
            yield ended.summary()
            return
        later = [sample for sample in samples if sample[0] >= self.steps / 2]
        if len(later) < 5:
            raise Skip("the training was too fast to sample")
        middle, self.reached = len(later) // 2, self.steps
        # Use medians, because a rollout or a checkpoint temporarily uses more.
        self.growth, self.files = (
            int(statistics.median(sample[column] for sample in later[middle:]) -
                statistics.median(sample[column] for sample in later[:middle])) for column in (1, 2))
        if self.growth > self.max_growth:
            yield f"memory grows by {self.growth >> 10} KiB over {self.steps // 4} steps"
        if self.files > 2:
            yield f"{self.files} more open files than before"

    def _sample(self, running, folder):
        try:
            resident = int((running.proc() / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
            descriptors = len(list((running.proc() / "fd").iterdir()))
        except (OSError, IndexError):
            return None
        run = runs.only_run(folder)
        return 10 * runs.logged_steps(run), resident, descriptors

    def note(self):
        return f"{self.reached} steps, {self.growth >> 10:+} KiB, {self.files:+} open files in the last quarter"
