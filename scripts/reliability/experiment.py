"""The base class of experiments, and the function that runs and counts their trials."""

import random
import shutil
import time

from lab import OutOfTime


class Skip(Exception):
    """Raised if an experiment cannot run here. The message gives the reason."""


class Row:
    """The results of one experiment: a row of the table."""

    def __init__(self, name):
        self.name, self.trials, self.failures, self.note, self.seconds = name, 0, [], "", 0.0


class Experiment:
    """One kind of trial. Class attributes set how often and how long it runs."""

    name = ""
    share = 1.0  # share of the time, relative to the other experiments
    count = None  # number of trials if each is a different case; None: as many as time allows

    def __init__(self, lab, folder):
        """Prepares uninterrupted runs and files to damage in `folder`, which is shared by all trials."""
        self.lab, self.folder = lab, folder

    def trial(self, number, rng, folder):
        """Yields one string for each failure. `folder` is new, and removed if nothing fails."""
        raise NotImplementedError

    def note(self):
        """A note that the table shows after the counts."""
        return ""

    def close(self):
        """Releases resources other than files and processes."""


def run_experiment(kind, lab, seconds, trials, only_trial):
    """Runs an experiment for at most `seconds` and `trials`, and returns its Row. `only_trial` runs a single trial."""
    row, began = Row(kind.name), time.monotonic()
    folder = lab.work / kind.name
    folder.mkdir()
    experiment, longest = None, 0.0
    try:
        experiment = kind(lab, folder)
        most = min(count for count in (experiment.count, trials, 10**9) if count is not None)
        for number in [only_trial] if only_trial is not None else range(most):
            used = time.monotonic() - began
            if row.trials and used + longest > seconds:
                break
            place = folder / f"trial_{number}"
            place.mkdir()
            begin = time.monotonic()
            rng = random.Random(f"{lab.seed} {kind.name} {number}")
            failures = []
            try:
                failures += ((number, text) for text in experiment.trial(number, rng, place))
            except Exception as error:
                if isinstance(error, (Skip, OutOfTime)):
                    raise
                # An unexpected error counts as a failure; the other trials continue.
                failures.append((number, f"the trial raised {type(error).__name__}: {error}"))
            lab.end_all()
            longest = max(longest, time.monotonic() - begin)
            row.trials += 1
            row.failures += failures
            if not failures:
                shutil.rmtree(place)
    except Skip as reason:
        row.note = f"skipped: {reason}"
    except OutOfTime:
        row.note = "the last trial was interrupted by the time limit"
    except RuntimeError as error:
        row.failures.append((0, f"the preparation failed: {error}"))
    finally:
        lab.end_all()
        if experiment is not None:
            row.note = row.note or experiment.note()
            experiment.close()
    row.seconds = time.monotonic() - began
    return row
