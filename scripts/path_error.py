#!/usr/bin/env python3
"""How far a policy's gripper is from the expert's way, early and late in an episode.

    .venv/bin/python scripts/path_error.py lewm_imf_seed0 [state_imf_seed0 ...]

Of the evaluations of scripts/results.py that are named: the distance from the right end effector to the nearest point of
the path that the expert takes from the same initial state (scripts/localisation.py's test episodes), at control steps up
to the grasp, median and 90th percentile over the episodes. An error that is there after the first chunk and grows is one
of seeing; one that comes late is one of execution. Needs scripts/setup.sh --tests.
"""

import argparse
import csv

import h5py
import numpy as np

from localisation import collect_test_views
from results import OUTPUT

END_EFFECTOR = "right_link7"
STEPS = [8, 16, 24, 32, 40, 48]
LAST_STEP = 70  # of the expert's path: the box has been lifted


def expert_path(demonstrations, episode):
    with h5py.File(demonstrations / f"episode_{episode}.hdf5") as file:
        return file[f"observations/labels/{END_EFFECTOR}_position"][:LAST_STEP]


def policy_path(table):
    with table.open() as file:
        return np.array([[float(row[f"{END_EFFECTOR}_{axis}"]) for axis in "xyz"] for row in csv.DictReader(file)])


def distances(evaluation, paths):
    """Millimetres [episodes, STEPS]."""
    tables = sorted((OUTPUT / "evaluations" / evaluation).glob("trajectory_*.csv"))
    if len(tables) != len(paths):
        raise SystemExit(f"path_error.py: {OUTPUT}/evaluations/{evaluation}: expected {len(paths)} trajectory_*.csv; "
                         f"found {len(tables)}; scripts/results.py makes them")
    return np.array([[1e3 * np.linalg.norm(path - position, axis=1).min() for position in policy_path(table)[STEPS]]
                     for table, path in zip(tables, paths)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluations", nargs="+", help="folders of results_output/evaluations")
    arguments = parser.parse_args()
    demonstrations = collect_test_views()
    paths = [expert_path(demonstrations, episode) for episode in range(100)]
    print("| mm off the expert's way, median (90 %) | " + " | ".join(f"step {step}" for step in STEPS) + " |")
    print("|---|" + "---|" * len(STEPS))
    for evaluation in arguments.evaluations:
        off = distances(evaluation, paths)
        cells = [f"{np.median(column):.0f} ({np.percentile(column, 90):.0f})" for column in off.T]
        print(f"| {evaluation} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
