"""Experiments with signals that end a command, and with two processes that use the same folder."""

import os
import re
import signal
import time

import runs
from experiment import Experiment

LONG = 400  # steps, so that a second process can start in time
# Printed by a process that found no work left.
LATE = re.compile(r"from step (\d+) to \1 |\(2 were there before")


def reference_run(lab, folder, data, steps):
    lab.must(*runs.training(data, folder / "reference", steps))
    return runs.only_run(folder / "reference")


def wait_for_steps(running, output, count):
    """Waits until the run has `count` lines of metrics and returns its folder."""
    while running.alive():
        run = runs.only_run(output)
        if runs.logged_steps(run) >= count:
            return run
        time.sleep(0.001)
    raise RuntimeError(f"the training ended too early: {running.wait().summary()}")


class Signals(Experiment):
    """Commands that are ended by a signal: they save their progress, exit with status 130, and can be continued."""

    name = "signals"
    share = 2.5
    sent = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.data = runs.write_data(folder / "data")
        self.reference = reference_run(lab, folder, self.data, LONG)
        self.others = {"collect": runs.collection, "encode": lambda place: runs.encoding(self.data, place)}
        self.seconds = {name: lab.seconds_of(*words(folder / name)) for name, words in self.others.items()}

    def trial(self, number, rng, folder):
        kind, which = number % 7, rng.choice(self.sent)
        if kind < 5:
            return self._training(self.sent[kind], rng, folder)
        return self._other("collect" if kind == 5 else "encode", which, rng, folder)

    def _training(self, sent, rng, folder):
        running = self.lab.start(*runs.training(self.data, folder, LONG))
        run = wait_for_steps(running, folder, rng.randrange(1, LONG // runs.LOG_EVERY - 20))
        os.killpg(running.pid, sent)
        ended = running.wait()
        name = sent.name
        if ended.status != 130:
            yield f"{name}: {ended.summary()}"
            return
        kept = runs.whole_checkpoints(run)
        if not kept:
            yield f"{name}: no checkpoint was saved"
            return
        if runs.read_metrics(run / "metrics.jsonl")[-1]["step"] > int(kept[-1].name.split("_")[1]):
            yield f"{name}: metrics.jsonl has lines after the checkpoint {kept[-1].name}"
        yield from runs.run_again(self.lab, name, [["run", "--resume", run]],
                              lambda: runs.run_differences(self.reference, run))

    def _other(self, job, sent, rng, folder):
        """Ends a collection or an encoding. The signal goes to the whole process group (as Ctrl-C) or to one process."""
        words = self.others[job](folder / "place")
        running = self.lab.start(*words)
        # Until its folder exists, the program may not have installed its signal handlers.
        while running.alive() and not (folder / "place").exists():
            time.sleep(0.001)
        time.sleep(rng.uniform(0, self.seconds[job]))
        was_running = running.alive()
        (os.killpg if rng.random() < 0.5 else os.kill)(running.pid, sent)
        ended = running.wait()
        if ended.status != 130 and not (ended.status == 0 and "100%" in ended.err) and was_running:
            yield f"{job}, {sent.name}: {ended.summary()}"
        yield from runs.run_again(self.lab, f"{job}, {sent.name}", [words],
                              lambda: runs.file_differences(self.folder / job, folder / "place"))


class TwoProcesses(Experiment):
    """Two processes that write to the same run, collection or cache."""

    name = "two_processes"
    share = 2.5

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.data = runs.write_data(folder / "data")
        self.reference = reference_run(lab, folder, self.data, LONG)
        self.collected = folder / "collected"
        lab.must(*runs.collection(self.collected))
        self.encoded = folder / "encoded"
        lab.must(*runs.encoding(self.data, self.encoded))

    def trial(self, number, rng, folder):
        kinds = [self._two_resumes, self._resume_of_a_live_run, self._two_collections, self._two_encodings]
        return kinds[number % len(kinds)](rng, folder)

    def _two_resumes(self, rng, folder):
        running = self.lab.start(*runs.training(self.data, folder, LONG))
        run = wait_for_steps(running, folder, 5)
        running.kill()
        running.wait()
        yield from self._compete([["run", "--resume", run]] * 2, rng.uniform(0, 0.3))
        yield from (f"two resumes: {text}" for text in runs.run_differences(self.reference, run))

    def _resume_of_a_live_run(self, rng, folder):
        running = self.lab.start(*runs.training(self.data, folder, LONG))
        run = wait_for_steps(running, folder, rng.randint(2, 60))
        # Stop the first process, so that it stays alive and cannot finish first.
        running.process.send_signal(signal.SIGSTOP)
        second = self.lab.run("run", "--resume", run, seconds=60)
        running.process.send_signal(signal.SIGCONT)
        if second.status != 1 or not runs.errors_with_process(second, running.pid):
            yield f"resume of a live run: process {running.pid} is not named: {second.summary()}"
        first = running.wait()
        if first.status != 0:
            yield f"resume of a live run: the first: {first.summary()}"
            return
        yield from (f"resume of a live run: {text}" for text in runs.run_differences(self.reference, run))

    def _two_collections(self, rng, folder):
        yield from self._compete([runs.collection(folder / "data")] * 2, rng.uniform(0, 0.3))
        yield from (f"two collections: {text}" for text in runs.file_differences(self.collected, folder / "data"))

    def _two_encodings(self, rng, folder):
        second = folder / "second.safetensors"
        ends = self._both([runs.encoding(self.data, folder), runs.encoding(self.data, folder, second.name)],
                          rng.uniform(0, 0.3))
        # The second encoding waits for the first, then uses its cache.
        for ended, _ in ends:
            if ended.status != 0:
                yield f"two encodings: {ended.summary()}"
        if second.exists() and second.read_bytes() != (self.encoded / "out.safetensors").read_bytes():
            yield "two encodings: the second output differs"
        second.unlink(missing_ok=True)
        yield from (f"two encodings: {text}" for text in runs.file_differences(self.encoded, folder))

    def _both(self, commands, delay):
        first = self.lab.start(*commands[0])
        time.sleep(delay)
        second = self.lab.start(*commands[1])
        return [(running.wait(), running.pid) for running in (first, second)]

    def _compete(self, commands, delay):
        """Runs two commands, of which one must succeed and the other must report the process ID of the first."""
        ends = self._both(commands, delay)
        what = f"two of '{commands[0][0]}'"
        winners = [pid for ended, pid in ends if ended.status == 0]
        losers = [ended for ended, _ in ends if ended.status != 0]
        if len(winners) == 2 and any(LATE.search(ended.out + ended.err) for ended, _ in ends):
            return
        if len(winners) != 1:
            yield f"{what}: {len(winners)} finished, expected 1: {'; '.join(ended.summary() for ended, _ in ends)}"
            return
        if losers[0].problem() or not runs.errors_with_process(losers[0], winners[0]):
            yield f"{what}: process {winners[0]} is not named: {losers[0].summary()}"
