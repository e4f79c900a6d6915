"""What an experiment is, and how its trials are run and counted."""

import random
import shutil
import time

from lab import OutOfTime


class Skip(Exception):
    """This experiment cannot run here; the message says why."""


class Row:
    """What came of one experiment."""

    def __init__(self, name):
        self.name, self.trials, self.failures, self.note, self.seconds = name, 0, [], "", 0.0


class Experiment:
    """One kind of trial. Its class attributes say how often and how long it runs."""

    name = ""
    share = 1.0  # of the time, against the others
    count = None  # trials, where each is another case; None: as many as there is time for

    def __init__(self, lab, folder):
        """`folder` is kept for all trials: uninterrupted runs and files to damage go there."""
        self.lab, self.folder = lab, folder

    def trial(self, number, rng, folder):
        """Yields one line for each failure. `folder` is new, and removed when nothing fails."""
        raise NotImplementedError

    def note(self):
        """What the table says beside the counts."""
        return ""

    def close(self):
        """Gives back what is not a file or a process."""


def run_experiment(kind, lab, seconds, trials, only_trial):
    """Row of an experiment that gets so many seconds, and so many trials at most."""
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
                # Something that no check foresaw; the other trials go on.
                failures.append((number, f"the trial ends by {type(error).__name__}: {error}"))
            lab.end_all()
            longest = max(longest, time.monotonic() - begin)
            row.trials += 1
            row.failures += failures
            if not failures:
                shutil.rmtree(place)
    except Skip as reason:
        row.note = f"skipped: {reason}"
    except OutOfTime:
        row.note = "the last trial was cut short"
    except RuntimeError as error:
        row.failures.append((0, f"the preparation fails: {error}"))
    finally:
        lab.end_all()
        if experiment is not None:
            row.note = row.note or experiment.note()
            experiment.close()
    row.seconds = time.monotonic() - began
    return row
