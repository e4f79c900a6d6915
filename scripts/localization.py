#!/usr/bin/env python3
"""Measures how well embeddings determine the box position, and the success rate of a policy that uses them by that error.

    .venv/bin/python scripts/localization.py                      # the shipped encoder
    .venv/bin/python scripts/localization.py --demonstrations 25  # only the first 25 demonstrations
    .venv/bin/python scripts/localization.py --data data_200 --row lewm_imf_200_seed0
    .venv/bin/python scripts/localization.py agent.backbone.random_init=true agent.backbone.image_size=112

Fits a kernel ridge regression (RBF kernel on standardized embeddings) from frames 0, 10, 20 and 30 of the demonstrations in
a folder of results_output, before the box is touched, to the box's x and y. Kernel width and ridge are chosen by
leave-one-demonstration-out cross-validation. Tests on the 100 episodes that scripts/results.py evaluates on, and averages
the predictions over the frames. If scripts/results.py has evaluated a policy on these embeddings (--row), also prints its
success rate for each range of the error. Everything is kept in results_output/. Needs scripts/setup.sh --tests.
"""

import argparse
import csv
import itertools
import re

import h5py
import numpy as np
from safetensors.numpy import load_file

from results import DEMONSTRATIONS, OUTPUT, collect_demonstrations, roboimi

FRAMES = [0, 10, 20, 30]
WIDTHS = [3.0, 10.0, 30.0, 100.0]
RIDGES = [1e-6, 1e-4, 1e-2, 1.0]
BINS_MM = [0, 5, 10, 15, 20, np.inf]


def box_positions(folder):
    """Initial x and y of the box in millimeters: [episodes, 2]."""
    def number(path):
        return int(re.findall(r"_(\d+)\.hdf5", path.name)[0])

    positions = []
    for path in sorted(folder.glob("episode_*.hdf5"), key=number):
        with h5py.File(path) as file:
            positions.append(file["observations/labels/box_position"][0, :2])
    return 1e3 * np.array(positions, dtype=np.float64)


def embeddings(data, out, overrides, frames=FRAMES):
    """Encodes the data and returns the embeddings of the given frames: [episodes, frames, D]."""
    roboimi("encode", "--config", "lewm_imf_attnres.yaml", "--data", data, "--out", out, "size=small", *overrides)
    tensors = load_file(out)
    rows = [np.flatnonzero((tensors["episode"] == episode) & np.isin(tensors["frame"], frames))
            for episode in np.unique(tensors["episode"])]
    return tensors["embeddings"][np.array(rows)].astype(np.float64)


def kernel(a, b, width):
    square = (a**2).sum(-1)[:, None] + (b**2).sum(-1)[None] - 2 * a @ b.T
    return np.exp(-np.maximum(square, 0) / (2 * width**2))


def predict(x, y, x_new, width, ridge):
    """Fits x [episodes, frames, D] to y [episodes, 2] and predicts x_new: [new episodes, 2], the mean over the frames."""
    rows, targets = x.reshape(-1, x.shape[-1]), np.repeat(y, x.shape[1], 0)
    mean, deviation = rows.mean(0), rows.std(0) + 1e-9
    rows, new = (rows - mean) / deviation, (x_new.reshape(-1, x.shape[-1]) - mean) / deviation
    weights = np.linalg.solve(kernel(rows, rows, width) + ridge * np.eye(len(rows)), targets - y.mean(0))
    return (kernel(new, rows, width) @ weights + y.mean(0)).reshape(len(x_new), -1, 2).mean(1)


def left_out_error(x, y, width, ridge):
    """Mean squared distance with each episode predicted from the others."""
    total = 0.0
    for episode in range(len(x)):
        others = np.arange(len(x)) != episode
        guess = predict(x[others], y[others], x[episode : episode + 1], width, ridge)[0]
        total += ((guess - y[episode]) ** 2).sum()
    return total / len(x)


def collect_test_views():
    """Collects the expert's episodes from the initial states that scripts/results.py evaluates on."""
    folder = OUTPUT / "test_views"
    roboimi("collect", "--config", "collect_sim_transfer.yaml", "size=small", f"collect.output={folder}",
            "collect.num_episodes=100", "collect.first_seed=1000")
    return folder


def print_success(errors, row):
    outcomes = OUTPUT / "evaluations" / row / "episodes.csv"
    if not outcomes.exists():
        print(f"{outcomes} is missing: run scripts/results.py to create it")
        return
    success = np.array([int(episode["success"]) for episode in csv.DictReader(outcomes.open())])
    print(f"\n| error, mm | episodes | successes ({row}) |\n|---|---|---|")
    for low, high in itertools.pairwise(BINS_MM):
        inside = (errors >= low) & (errors < high)
        name = f"{low} .. {high}" if np.isfinite(high) else f"over {low}"
        print(f"| {name} | {inside.sum()} | {success[inside].sum()} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data", choices=[folder.name for folder in DEMONSTRATIONS])
    parser.add_argument("--demonstrations", type=int, help="use only the first N; default: all")
    parser.add_argument("--row", default="lewm_imf_seed0", help="a folder of results_output/evaluations")
    parser.add_argument("overrides", nargs="*", help="overrides for the encoder: agent.backbone.KEY=VALUE")
    arguments = parser.parse_args()

    data = OUTPUT / arguments.data
    collect_demonstrations(data)
    tested = collect_test_views()
    x, new_x = (embeddings(folder, OUTPUT / f"embeddings_{folder.name}.safetensors", arguments.overrides)
                for folder in [data, tested])
    y, new_y = box_positions(data), box_positions(tested)
    x, y = x[: arguments.demonstrations], y[: arguments.demonstrations]

    width, ridge = min(itertools.product(WIDTHS, RIDGES), key=lambda choice: left_out_error(x, y, *choice))
    errors = np.linalg.norm(predict(x, y, new_x, width, ridge) - new_y, axis=1)
    print(f"{len(x)} demonstrations; kernel width {width}, ridge {ridge}; error on {len(new_x)} unseen episodes: "
          f"RMS {np.sqrt((errors**2).mean()):.1f} mm, median {np.median(errors):.1f} mm")
    if not arguments.overrides and arguments.demonstrations is None:
        print_success(errors, arguments.row)


if __name__ == "__main__":
    main()
