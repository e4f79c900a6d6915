"""Ridge regression on standardized inputs, in numpy.

ridge_probe.py FOLDER INPUTS RIDGE: FOLDER has text tables train.txt and held_out.txt, whose first INPUTS
columns are the inputs. Writes R^2 and the RMS distance on held_out.txt to answer.txt.
"""
import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
inputs, ridge = int(sys.argv[2]), float(sys.argv[3])
train, held_out = (np.loadtxt(folder / name) for name in ("train.txt", "held_out.txt"))
x, y = train[:, :inputs], train[:, inputs:]
mean, std = x.mean(0), x.std(0)
z = np.hstack([(x - mean) / std, np.ones((len(x), 1))])
# The constant column is not penalized.
penalty = ridge * len(x) * np.diag([1.0] * inputs + [0.0])
weights = np.linalg.solve(z.T @ z + penalty, z.T @ y)
test_z = np.hstack([(held_out[:, :inputs] - mean) / std, np.ones((len(held_out), 1))])
error = ((held_out[:, inputs:] - test_z @ weights) ** 2).sum()
deviation = ((held_out[:, inputs:] - y.mean(0)) ** 2).sum()
(folder / "answer.txt").write_text(f"{1 - error / deviation} {np.sqrt(error / len(held_out))}")
