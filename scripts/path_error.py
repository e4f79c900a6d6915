#!/usr/bin/env python3
"""Measures the distance of a policy's gripper from the expert's path, early and late in an episode.

    .venv/bin/python scripts/path_error.py lewm_imf_seed0 [state_imf_seed0 ...]

For each named evaluation of scripts/results.py, prints the distance from the point between the right gripper's fingers to
the nearest point of the expert's path from the same initial state (the test episodes of scripts/localization.py). Shows
the median and 90th percentile over the episodes at several control steps up to the grasp. Positions are computed with
MuJoCo's kinematics from the recorded joint angles. The wrist links are unsuitable: they swing by 3 mm per degree of the
box's yaw. An error that is present after the first chunk and grows is a perception error; an error that appears late is
an execution error. Needs scripts/setup.sh --tests.
"""

import argparse
import csv

import h5py
import mujoco
import numpy as np

from localization import collect_test_views
from results import OUTPUT, ROOT

TOOL = "right_tool"
JOINTS = [f"right_joint{i}" for i in range(1, 8)]
IN_STATE = slice(8, 15)  # the right arm's joint angles in the robot state
STEPS = [8, 16, 24, 32, 40, 48]
LAST_STEP = 70  # end of the expert's path: the box has been lifted by then

model = mujoco.MjModel.from_xml_path(str(ROOT / "assets/sim_transfer/sim_transfer.xml"))
data = mujoco.MjData(model)
addresses = [model.joint(name).qposadr[0] for name in JOINTS]


def tool_path(states):
    """Positions of the tool in meters [steps, 3] for robot states [steps, 16]."""
    path = []
    for state in states:
        data.qpos[addresses] = state[IN_STATE]
        mujoco.mj_kinematics(model, data)
        path.append(data.site(TOOL).xpos.copy())
    return np.array(path)


def expert_path(demonstrations, episode):
    with h5py.File(demonstrations / f"episode_{episode}.hdf5") as file:
        return tool_path(file["observations/qpos"][:LAST_STEP])


def policy_path(table):
    """Positions of the tool at STEPS, from a recorded trajectory."""
    with table.open() as file:
        rows = list(csv.DictReader(file))
    if "state_0" not in rows[0]:
        raise SystemExit(f"path_error.py: {table}: expected columns state_0 ..; found {', '.join(rows[0])}; "
                         "delete the folder and let scripts/results.py evaluate again")
    return tool_path(np.array([[float(rows[step][f"state_{i}"]) for i in range(16)] for step in STEPS]))


def millimeters_off(path, places):
    """Distances in millimeters of places [places, 3] from a path [steps, 3], both in meters."""
    return [1e3 * np.linalg.norm(path - place, axis=1).min() for place in places]


def distances(evaluation, paths):
    """Distances in millimeters [episodes, STEPS]."""
    tables = sorted((OUTPUT / "evaluations" / evaluation).glob("trajectory_*.csv"))
    if len(tables) != len(paths):
        raise SystemExit(f"path_error.py: {OUTPUT}/evaluations/{evaluation}: expected {len(paths)} trajectory_*.csv; "
                         f"found {len(tables)}; run scripts/results.py to create them")
    return np.array([millimeters_off(path, policy_path(table)) for table, path in zip(tables, paths, strict=True)])


def print_header():
    print("| mm off the expert's path, median (90 %) | " + " | ".join(f"step {step}" for step in STEPS) + " |")
    print("|---|" + "---|" * len(STEPS))


def print_row(name, off):
    """Prints one row of the table for distances in millimeters [episodes, STEPS]."""
    cells = [f"{np.median(column):.0f} ({np.percentile(column, 90):.0f})" for column in off.T]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluations", nargs="+", help="folders of results_output/evaluations")
    arguments = parser.parse_args()
    demonstrations = collect_test_views()
    paths = [expert_path(demonstrations, episode) for episode in range(100)]
    print_header()
    for evaluation in arguments.evaluations:
        print_row(evaluation, distances(evaluation, paths))


if __name__ == "__main__":
    main()
