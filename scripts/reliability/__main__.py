"""Counts failures when processes are killed, files are damaged, and folders are moved, full or hostile.

    .venv/bin/python scripts/reliability                                   # everything, five minutes
    .venv/bin/python scripts/reliability --seconds 1800 --seed 7           # more trials, different seed
    .venv/bin/python scripts/reliability --only kill_train,mutate_plugin   # these experiments
    .venv/bin/python scripts/reliability --only kill_train --seed 7 --trial 12   # repeat one trial
    .venv/bin/python scripts/reliability --list                            # list the experiments

Prints a row for each experiment and a line for each failure with the command that repeats it. Exits with status 1 if
there is a failure. The work folder is removed if nothing failed. docs/dev/reliability.md describes the experiments.
"""

import argparse
import pathlib
import shutil
import signal
import sys
import tempfile

import bombs
import disk
import ends
import kills
import links
import moved
import mutations
from experiment import run_experiment
from lab import ROOT, Lab

EXPERIMENTS = [kills.KillTrain, kills.KillCollect, kills.KillCache, ends.Signals, ends.TwoProcesses, disk.DiskFull,
               disk.FileLimit, mutations.MutateSafetensors, mutations.MutateTorch, mutations.MutateCheckpoint,
               mutations.MutateState, mutations.MutateHdf5, mutations.MutateConfig, mutations.MutatePlugin,
               links.HostileLinks, bombs.HostileFiles, moved.Moved, moved.Soak]


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/reliability", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/bin/roboimi")
    parser.add_argument("--seconds", type=float, default=300, help="total time; default: 300")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="comma-separated names of experiments")
    parser.add_argument("--trials", type=int, help="maximum trials per experiment; default: as many as time allows")
    parser.add_argument("--trial", type=int, help="run only the trial with this number")
    parser.add_argument("--work", type=pathlib.Path, help="an empty or new folder; default: one under TMPDIR")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    names = [name for name in arguments.only.split(",") if name]
    unknown = set(names) - {kind.name for kind in EXPERIMENTS}
    if unknown:
        parser.error(f"no experiment '{sorted(unknown)[0]}': expected {', '.join(kind.name for kind in EXPERIMENTS)}")
    if not arguments.list and not arguments.program.is_file():
        parser.error(f"no program {arguments.program}: build it, or set --program")
    arguments.kinds = [kind for kind in EXPERIMENTS if not names or kind.name in names]
    return arguments


def repeat_command(arguments, row, number):
    return (f".venv/bin/python scripts/reliability --program {arguments.program} --only {row.name} "
            f"--seed {arguments.seed} --trial {number}")


def run_all(arguments, lab):
    """Runs all experiments and returns their rows. Each gets its share of the remaining time."""
    rows = []
    print(f"{'experiment':<20} {'trials':>6} {'failures':>8} {'seconds':>8}", flush=True)
    for index, kind in enumerate(arguments.kinds):
        rest = sum(other.share for other in arguments.kinds[index:])
        # Keep a reserve, because an experiment may exceed its time.
        seconds = 0.9 * lab.seconds_left() * kind.share / rest
        row = run_experiment(kind, lab, seconds, arguments.trials, arguments.trial)
        rows.append(row)
        failed = len({number for number, _ in row.failures})
        print(f"{row.name:<20} {row.trials:>6} {failed:>8} {row.seconds:>8.1f}  {row.note}", flush=True)
    return rows


def main():
    arguments = parse_arguments()
    if arguments.list:
        for kind in EXPERIMENTS:
            print(f"{kind.name:<20} {kind.__doc__.splitlines()[0]}")
        return 0
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
        if any(arguments.work.iterdir()):
            sys.exit(f"scripts/reliability: {arguments.work} is not empty")
    work = arguments.work or pathlib.Path(tempfile.mkdtemp(prefix="roboimi_reliability_"))
    lab = Lab(arguments.program.resolve(), work.resolve(), arguments.seconds, arguments.seed)
    # Also clean up after `kill` or a closed terminal.
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda number, frame: sys.exit(128 + number))
    try:
        rows = run_all(arguments, lab)
    finally:
        lab.end_all()
    failed = [row for row in rows if row.failures]
    for row in failed:
        for number in sorted({number for number, _ in row.failures}):
            texts = [text for of, text in row.failures if of == number]
            print(f"FAILED {row.name} trial {number}: " + "\n    ".join(texts))
            print(f"    repeat with: {repeat_command(arguments, row, number)}")
    if failed:
        print(f"files of the failed trials: {work}")
        return 1
    empty = [row.name for row in rows if row.trials == 0 and not row.note.startswith("skipped")]
    if empty:
        print(f"no trial finished within the time limit: {', '.join(empty)}")
        return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
