#!/usr/bin/env python3
"""How far a policy's gripper is from the expert's way, early and late in an episode.

    .venv/bin/python scripts/path_error.py lewm_imf_seed0 [state_imf_seed0 ...]

Of the evaluations of scripts/results.py that are named: the distance from the point between the right gripper's fingers
to the nearest point of the path that it takes when the expert starts from the same state (scripts/localisation.py's test
episodes), at control steps up to the grasp, median and 90th percentile over the episodes; by MuJoCo's own kinematics from
the recorded joint angles. The links behind it would not do: they swing by 3 mm a degree with the box's yaw. An error
that is there after the first chunk and grows is one of seeing; one that comes late is one of execution. Needs
scripts/setup.sh --tests.
"""

import argparse
import csv

import h5py
import mujoco
import numpy as np

from localisation import collect_test_views
from results import OUTPUT, ROOT

TOOL = "right_tool"
JOINTS = [f"right_joint{i}" for i in range(1, 8)]
IN_STATE = slice(8, 15)  # the right arm's angles in the robot's state
STEPS = [8, 16, 24, 32, 40, 48]
LAST_STEP = 70  # of the expert's path: the box has been lifted

model = mujoco.MjModel.from_xml_path(str(ROOT / "assets/sim_transfer/sim_transfer.xml"))
data = mujoco.MjData(model)
addresses = [model.joint(name).qposadr[0] for name in JOINTS]


def tool_path(states):
    """Robot states [steps, 16] -> metres [steps, 3]."""
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
    """At STEPS."""
    with table.open() as file:
        rows = list(csv.DictReader(file))
    if "state_0" not in rows[0]:
        raise SystemExit(f"path_error.py: {table}: expected columns state_0 ..; found {', '.join(rows[0])}; "
                         "delete the folder and let scripts/results.py evaluate again")
    return tool_path(np.array([[float(rows[step][f"state_{i}"]) for i in range(16)] for step in STEPS]))


def millimetres_off(path, places):
    """Of each place [places, 3] from the path [steps, 3], both in metres."""
    return [1e3 * np.linalg.norm(path - place, axis=1).min() for place in places]


def distances(evaluation, paths):
    """Millimetres [episodes, STEPS]."""
    tables = sorted((OUTPUT / "evaluations" / evaluation).glob("trajectory_*.csv"))
    if len(tables) != len(paths):
        raise SystemExit(f"path_error.py: {OUTPUT}/evaluations/{evaluation}: expected {len(paths)} trajectory_*.csv; "
                         f"found {len(tables)}; scripts/results.py makes them")
    return np.array([millimetres_off(path, policy_path(table)) for table, path in zip(tables, paths, strict=True)])


def print_header():
    print("| mm off the expert's way, median (90 %) | " + " | ".join(f"step {step}" for step in STEPS) + " |")
    print("|---|" + "---|" * len(STEPS))


def print_row(name, off):
    """Of millimetres [episodes, STEPS]."""
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
