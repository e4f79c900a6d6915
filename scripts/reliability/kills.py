"""Experiments with SIGKILL at random instants and before chosen system calls.

A continued command must give the same result as one that was never killed.
"""

import shutil
import time

import runs
import system_calls
from experiment import Experiment


class Killed:
    """Runs commands, kills them somewhere, and counts the kinds of kills."""

    def __init__(self, lab, folder, words, begin=lambda call: True):
        """`words(place)` is a command that writes into a folder. It first runs without kills, in reference/ and traced/.

        Most kills come after the first call for which `begin` is true, because before that there is nothing to lose.
        """
        self.lab = lab
        self.at_random = self.at_calls = 0
        self.seconds = lab.seconds_of(*words(folder / "reference"))
        self.places = []  # (kind of call, number of earlier calls of this kind)
        self.begin = 0
        if system_calls.available():
            ended, calls = system_calls.trace(lab, words(folder / "traced"), folder / "traced", lambda call: False)
            if ended.status != 0:
                raise RuntimeError(f"under ptrace, the command ends with {ended.summary()}")
            kinds = [call.kind for call in calls]
            self.places = [(kind, kinds[:index].count(kind)) for index, kind in enumerate(kinds)]
            self.begin = next(index for index, call in enumerate(calls) if begin(call))

    def once(self, words, rng, folder):
        """Starts the command and kills it at a random instant or before a call. Returns a description of where."""
        if self.places and rng.random() < 0.7:
            return self._before_call(words, rng, folder)
        delay = rng.uniform(0, self.seconds)
        running = self.lab.start(*words)
        until = time.monotonic() + delay
        while running.alive() and time.monotonic() < until:
            time.sleep(0.001)
        killed = running.alive()
        running.kill(whole_group=rng.random() < 0.5)
        running.wait()
        self.at_random += killed
        return f"killed after {delay:.3f} s" if killed else "not killed"

    def _before_call(self, words, rng, folder):
        places = self.places[self.begin:] if rng.random() < 0.8 else self.places
        # Draw the kind first, so that all kinds are equally likely; most calls write log lines.
        kind = rng.choice(sorted({kind for kind, _ in places}))
        which = rng.choice([before for other, before in places if other == kind])
        seen = []

        def stop(call):
            seen.append(call.kind)
            return call.kind == kind and seen.count(kind) > which

        ended, calls = system_calls.trace(self.lab, words, folder, stop)
        if ended.status >= 0:
            return "not killed"
        self.at_calls += 1
        return f"killed before {calls[-1]}"

    def note(self):
        return f"kills: {self.at_calls} before a call, {self.at_random} at an instant"


class KillTrain(Experiment):
    """A training that is killed up to three times."""

    name = "kill_train"
    share = 4.0

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.data = runs.write_data(folder / "data")
        self.killed = Killed(lab, folder, lambda place: runs.training(self.data, place),
                             begin=lambda call: call.name == "rename" and "/checkpoints/step_" in call.path)
        self.reference = runs.only_run(folder / "reference")
        traced = runs.only_run(folder / "traced")
        differences = list(runs.run_differences(self.reference, traced)) if traced else []
        if differences:
            raise RuntimeError(f"two training runs that were not killed differ: {differences}")
        self.without_checkpoint = 0

    def trial(self, number, rng, folder):
        words, where = runs.training(self.data, folder), []
        for _ in range(rng.randint(1, 3)):
            where.append(self.killed.once(words, rng, folder))
            run = runs.only_run(folder)
            if where[-1] == "not killed" or run is None:
                break
            words = ["run", "--resume", run]
        run = runs.only_run(folder)
        if run is None:
            self.without_checkpoint += 1
            return
        resume = ["run", "--resume", run]
        if runs.whole_checkpoints(run):
            yield from runs.run_again(self.lab, "; ".join(where), [resume],
                                  lambda: runs.run_differences(self.reference, run))
            return
        self.without_checkpoint += 1
        ended = self.lab.run(*resume)
        if ended.status != 1 or ended.problem():
            yield f"{'; '.join(where)}: nothing to resume from, but {ended.summary()}"

    def note(self):
        return f"{self.killed.note()}; {self.without_checkpoint} before the first checkpoint"


class KillCollect(Experiment):
    """A collection that is killed: only its leader, or also its workers."""

    name = "kill_collect"
    share = 3.0

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.reference = folder / "reference/data"
        self.killed = Killed(lab, folder, lambda place: runs.collection(place / "data"))

    def trial(self, number, rng, folder):
        where = [self.killed.once(runs.collection(folder / "data"), rng, folder) for _ in range(rng.randint(1, 2))]
        # A worker that outlived its leader may still be writing.
        yield from runs.run_again(self.lab, "; ".join(where), [runs.collection(folder / "data")],
                              lambda: runs.file_differences(self.reference, folder / "data"))

    def note(self):
        return self.killed.note()


class KillCache(Experiment):
    """`encode` or a training that is killed while it writes the embedding cache."""

    name = "kill_cache"
    share = 2.0

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.data = runs.write_data(folder / "data")
        self.reference = folder / "reference"
        self.killed = Killed(lab, folder, lambda place: runs.encoding(self.data, place))

    def trial(self, number, rng, folder):
        trains = rng.random() < 0.5
        encoding = runs.encoding(self.data, folder)
        words = encoding
        if trains:
            words = [*runs.camera_training(self.data, folder / "runs", steps=1), f"cache.folder={folder}/cache",
                     "cache.block_size=4"]
        where = [self.killed.once(words, rng, folder) for _ in range(rng.randint(1, 2))]

        def differences():
            shutil.rmtree(folder / "runs", ignore_errors=True)
            return runs.file_differences(self.reference, folder)

        yield from runs.run_again(self.lab, "; ".join(where), [words, encoding] if trains else [words], differences)

    def note(self):
        return self.killed.note()
